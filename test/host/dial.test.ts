/**
 * Connections into sandboxes, with the launcher alone: they reach the guest's loopback and no other, and whoever may not
 * have one is told why at once.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { Dial } from '../../src/launcher/dials.ts';
import type { RawHandle } from '../../src/launcher/network-handles.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { firstOutput, needs, Range, Wall } from '../escape/harness.ts';

/** Answers each connection with what it is told, prefixed; says `up` first. `family`: of the address it listens on. */
const server = (address: string, port: number): string[] => [
  'python3',
  '-uc',
  `import socket
s = socket.create_server((${JSON.stringify(address)}, ${port}), family=socket.AF_INET6 if ':' in ${JSON.stringify(address)} else socket.AF_INET)
print('up')
while True:
  c, who = s.accept()
  said = b''
  while True:
    more = c.recv(65536)
    if not more: break
    said += more
  c.sendall(b'inside heard ' + said); c.close()`,
];

async function talk(handle: RawHandle, text: string): Promise<string> {
  const socket = new Socket({ handle, allowHalfOpen: true } as never);
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes;
  });
  socket.end(text);
  await once(socket, 'close');
  return heard;
}

async function errnoOf(dialling: Promise<RawHandle>): Promise<string> {
  try {
    (await dialling).close();
    return 'connected';
  } catch (error) {
    return String((error as { details?: { errno?: string } }).details?.errno);
  }
}

interface Guest {
  readonly dial: Dial;
  readonly end: () => Promise<unknown>;
}

async function start(wall: Wall, argv: readonly string[], listen: number[] = []): Promise<Guest> {
  const { kind, job } = wall.prepare({ argv, policy: { network: { listen } } });
  const plan = wall.client.preparePlan(encodePlan(kind));
  let dial: Dial | undefined;
  const streams = { stdout: 'stream', stderr: 'stream' } as const;
  const execution = wall.client.spawn(
    plan,
    { ...job, ...streams },
    {
      onDial: (given) => {
        dial = given;
      },
    },
  );
  await firstOutput(execution);
  return {
    dial: (port) => (dial as Dial)(port),
    end: async () => {
      execution.kill();
      await execution.result.catch(() => {});
    },
  };
}

const python = spawnSync('python3', ['-V']).status === 0;

describe('connections into sandboxes', {
  skip: python ? needs.root : 'python3 is not installed',
}, () => {
  for (const who of ['root', 'an ordinary user'] as const) {
    test(`a port inside is reached through the launcher, by ${who}`, {
      skip: needs.root,
    }, async () => {
      using range = new Range();
      await using wall = await (who === 'root'
        ? Wall.open()
        : Wall.ordinary(range.copyOfLauncher()));
      const guest = await start(wall, server('127.0.0.1', 8080), [8080]);
      const other = await start(wall, server('::1', 8080), [8080]);
      assert.equal(await talk(await guest.dial(8080), 'one'), 'inside heard one');
      assert.equal(await talk(await other.dial(8080), 'two'), 'inside heard two');
      assert.equal(await errnoOf(guest.dial(8081)), 'ECONNREFUSED');
      await Promise.all([guest.end(), other.end()]);
      assert.equal(await errnoOf(guest.dial(8080)), 'ENOENT');
    });
  }

  test("the host's own loopback is not reached", async () => {
    await using wall = await Wall.open();
    const host = createServer((socket) => socket.end('the host')).listen(0, '127.0.0.1');
    await once(host, 'listening');
    const { port } = host.address() as AddressInfo;
    const guest = await start(wall, server('127.0.0.1', 8080), [8080]);
    assert.equal(await errnoOf(guest.dial(port)), 'ECONNREFUSED');
    await guest.end();
    host.close();
  });

  test('a guest that accepts nothing holds nobody up', async () => {
    await using wall = await Wall.open();
    const deaf = [
      'python3',
      '-uc',
      `import socket, time
s = socket.create_server(('127.0.0.1', 8080), backlog=0); print('up'); time.sleep(60)`,
    ];
    const guest = await start(wall, deaf, [8080]);
    const waiting = await Promise.all(Array.from({ length: 60 }, () => guest.dial(8080)));
    assert.equal(await errnoOf(guest.dial(8081)), 'ECONNREFUSED');
    for (const handle of waiting) handle.close();
    await guest.end();
  });

  test('a sandbox that stands still is asked so often and no more', {
    skip: needs.root,
  }, async () => {
    await using wall = await Wall.open();
    const { kind, job } = wall.prepare({ argv: [], policy: { limits: { memory: '1GiB' } } });
    let dial: Dial = () => assert.fail();
    const sandbox = wall.client.openSandbox(wall.client.preparePlan(encodePlan(kind)), job, {
      onDial: (given) => {
        dial = given;
      },
    });
    await sandbox.opened;
    await sandbox.freeze(true);
    const errnos = Array.from({ length: 100 }, () => errnoOf(dial(8080)));
    assert.equal(await Promise.race(errnos), 'EAGAIN');
    // The launcher still answers, and what waits is answered once the sandbox goes on.
    await sandbox.usage();
    await sandbox.freeze(false);
    const count = (errno: string, all: string[]) => all.filter((each) => each === errno).length;
    const all = await Promise.all(errnos);
    assert.deepEqual([count('EAGAIN', all), count('ECONNREFUSED', all)], [36, 64]);
    await sandbox.close();
  });
});
