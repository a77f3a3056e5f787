/**
 * Datagram sockets in sandboxes, with the launcher alone: one stands at the address and port that was asked for, low ports
 * included, the guest's datagrams to it arrive and no others, and it is refused where the address is the guest's own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { describe, test } from 'node:test';
import type { Dial } from '../../src/launcher/dials.ts';
import { bindTo, type RawHandle } from '../../src/launcher/network-handles.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { firstOutput, needs, Range, Wall } from '../escape/harness.ts';

/** Says `up`, and once it may go on sends to each and prints what comes of it. */
const guest = (targets: readonly (readonly [string, number])[]): string[] => [
  'python3',
  '-uc',
  `import socket, sys
print('up')
sys.stdin.readline()
for host, port in ${JSON.stringify(targets)}:
  try:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
      s.settimeout(20); s.connect((host, port)); s.send(b'hello'); print(s.recv(100).decode())
  except OSError as error: print(type(error).__name__)`,
];

async function serve(handle: RawHandle, type: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = bindTo(createSocket(type), handle);
  // With a handle it listens at once.
  const { address, port } = socket.address();
  socket.on('message', (bytes, from) => {
    // Bound with every bit of its port turned: native/launcher/nftables.h.
    socket.send(`${address} ${0xffff ^ port} heard ${bytes}`, from.port, from.address);
  });
  return socket;
}

async function errnoOf(opening: Promise<RawHandle>): Promise<string> {
  try {
    (await opening).close();
    return 'opened';
  } catch (error) {
    return String((error as { details?: { errno?: string } }).details?.errno);
  }
}

const python = spawnSync('python3', ['-V']).status === 0;
const filtered = { mode: 'filtered', allow: ['198.51.100.7:123/udp'] } as const;

describe('datagram sockets in sandboxes', {
  skip: python ? needs.root : 'python3 is not installed',
}, () => {
  for (const who of ['root', 'an ordinary user'] as const) {
    test(`stand where they were asked for, by ${who}`, { skip: needs.root }, async () => {
      using range = new Range();
      await using wall = await (who === 'root'
        ? Wall.open()
        : Wall.ordinary(range.copyOfLauncher()));
      const argv = guest([
        ['198.51.100.7', 123],
        ['2001:db8::7', 53],
        ['198.51.100.7', 124],
        ['198.51.100.8', 123],
      ]);
      const { kind, job } = wall.prepare({ argv, policy: { network: filtered } });
      const plan = wall.client.preparePlan(encodePlan(kind));
      let dial: Dial | undefined;
      const execution = wall.client.spawn(
        plan,
        { ...job, stdin: 'stream', stdout: 'stream', stderr: 'stream' },
        {
          onDial: (given) => {
            dial = given;
          },
        },
      );
      await firstOutput(execution);
      const open = dial as unknown as Dial;
      const sockets = [
        await serve(await open(123, '198.51.100.7'), 'udp4'),
        await serve(await open(53, '2001:db8::7'), 'udp6'),
      ];
      assert.equal(await errnoOf(open(123, '198.51.100.7')), 'EADDRINUSE');
      assert.equal(await errnoOf(open(123, '127.0.0.1')), 'EINVAL');
      assert.equal(await errnoOf(open(123, '::1')), 'EINVAL');
      assert.equal(await errnoOf(open(65_535, '198.51.100.7')), 'EINVAL');
      execution.stdin?.end('go\n');
      let heard = '';
      execution.stdout?.on('data', (bytes) => {
        heard += bytes;
      });
      await execution.result;
      for (const socket of sockets) socket.close();
      assert.deepEqual(heard.trim().split('\n').slice(-4), [
        '198.51.100.7 123 heard hello',
        '2001:db8::7 53 heard hello',
        'PermissionError',
        'PermissionError',
      ]);
      assert.equal(await errnoOf(open(125, '198.51.100.7')), 'ENOENT');
    });
  }

  test('none without a filtered network', async () => {
    await using wall = await Wall.open();
    const { kind, job } = wall.prepare({ argv: guest([]), policy: {} });
    const plan = wall.client.preparePlan(encodePlan(kind));
    let dial: Dial | undefined;
    const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
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
    const open = dial as unknown as Dial;
    assert.equal(await errnoOf(open(123, '198.51.100.7')), 'ENOTSUP');
    execution.kill();
    await execution.result;
  });
});
