/**
 * Ports of sandboxes on loopback ports of this host: who reaches them, for how long, and what is refused.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caisson } from '../../src/compose.ts';
import type { ObservedEvent } from '../../src/core/ports.ts';
import type { PublishedPort } from '../../src/sandbox/ports.ts';
import { needs } from '../escape/harness.ts';
import { NothingLeft } from '../nothing-left.ts';
import { until } from '../until.ts';

const python = spawnSync('python3', ['-V']).status === 0;
const skip = python ? needs.root : 'python3 is not installed';

const PORT = 8080;
const listening = (network: object = {}) => ({
  level: 'strict' as const,
  network: { listen: [PORT], ...network },
});

const http = [
  'python3',
  '-uc',
  `import http.server
class Handler(http.server.BaseHTTPRequestHandler):
  def do_GET(self):
    self.send_response(200); self.send_header('Content-Length', '6'); self.end_headers(); self.wfile.write(b'inside')
  def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', ${PORT}), Handler)
print('up'); server.serve_forever()`,
];

/** Reads to the end, then answers with the digest of what it read, and as many bytes again. */
const digest = [
  'python3',
  '-uc',
  `import hashlib, socket
s = socket.create_server(('', ${PORT})); print('up')
while True:
  c, who = s.accept(); h = hashlib.sha256(); n = 0
  while True:
    more = c.recv(1 << 20)
    if not more: break
    h.update(more); n += len(more)
  c.sendall(h.digest()); c.sendall(b'x' * n); c.close()`,
];

async function up(guest: { stdout: NodeJS.ReadableStream }): Promise<void> {
  await once(guest.stdout, 'data');
}

const get = async (port: number, host = '127.0.0.1'): Promise<string> =>
  await (await fetch(`http://${host}:${port}/`)).text();

/** `connected`, or the errno; a connection that is reset has been one. */
async function attempt(port: number, host = '127.0.0.1'): Promise<string> {
  const socket = connect({ host, port });
  try {
    await once(socket, 'connect');
    socket.end('x');
    await once(socket.resume(), 'close');
    return 'connected';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
  }
}

async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

describe('published ports', { skip }, () => {
  for (const mode of ['none', 'filtered', 'internal'] as const) {
    test(`in mode ${mode} a port is reached until it is closed, or its sandbox is`, async () => {
      await using caisson = await Caisson.open();
      const network = mode === 'internal' ? { mode, group: 'g' } : { mode };
      const sandbox = await caisson.create({ policy: listening(network) });
      await up(sandbox.spawn(http));
      const [first, second] = [await sandbox.publish(PORT), await sandbox.publish(PORT)];
      assert.equal(await get(first.port), 'inside');
      assert.equal(await get(second.port), 'inside');
      await first.close();
      assert.equal(await attempt(first.port), 'ECONNREFUSED');
      assert.equal(await get(second.port), 'inside');
      await sandbox.close();
      assert.equal(await attempt(second.port), 'ECONNREFUSED');
    });
  }

  test('on loopback alone, and on the port that was asked for', async () => {
    await using caisson = await Caisson.open();
    await using sandbox = await caisson.create({ policy: listening() });
    await up(sandbox.spawn(http));
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    const taken = sandbox.publish(PORT, { port });
    await assert.rejects(taken, { code: 'REQUEST_INVALID', message: /EADDRINUSE/ });
    await new Promise((resolve) => free.close(resolve));
    const published = await sandbox.publish(PORT, { port });
    assert.deepEqual([published.port, published.host], [port, '127.0.0.1']);
    assert.equal(await get(port), 'inside');
    for (const { address, family, internal } of Object.values(networkInterfaces())
      .flat()
      .map((each) => each ?? assert.fail())) {
      if (family !== 'IPv4' || internal) continue;
      assert.equal(await attempt(port, address), 'ECONNREFUSED', address);
    }
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '']) {
      await assert.rejects(sandbox.publish(PORT, { host }), {
        code: 'REQUEST_INVALID',
        message: /loopback alone/,
      });
    }
  });

  test('a port that the policy does not name is refused, and so is one where the network is the host’s', async () => {
    await using caisson = await Caisson.open();
    await using sandbox = await caisson.create({ policy: listening() });
    for (const port of [81, 0, -1, 1.5, 65_536, Number.NaN]) {
      await assert.rejects(sandbox.publish(port), (error: { code: string; hint: string }) => {
        assert.equal(error.code, 'REQUEST_INVALID');
        assert.match(error.hint, /listen: \[/);
        return true;
      });
    }
    const silent = caisson.run(['true'], { policy: { level: 'strict' }, publish: { [PORT]: 0 } });
    await assert.rejects(silent, { code: 'REQUEST_INVALID' });
    const full = caisson.run(['true'], {
      policy: listening({ mode: 'full' }),
      publish: { [PORT]: 0 },
    });
    await assert.rejects(full, { code: 'REQUEST_INVALID', message: /network of its own/ });
  });

  test('where the guest does not listen yet the connection is reset, and later it is served', async () => {
    await using caisson = await Caisson.open();
    await using sandbox = await caisson.create({ policy: listening() });
    const { port } = await sandbox.publish(PORT);
    assert.equal(await attempt(port), 'ECONNRESET');
    await up(sandbox.spawn(http));
    assert.equal(await get(port), 'inside');
  });

  test('megabytes and the end of each side pass, many at once', async () => {
    await using caisson = await Caisson.open();
    await using sandbox = await caisson.create({ policy: listening() });
    await up(sandbox.spawn(digest));
    const { port } = await sandbox.publish(PORT);
    const bytes = randomBytes(8 << 20);
    const expected = createHash('sha256').update(bytes).digest('hex');
    for (const answer of await Promise.all([0, 1, 2, 3].map(() => exchange(port, bytes)))) {
      assert.equal(answer.subarray(0, 32).toString('hex'), expected);
      assert.equal(answer.length, 32 + bytes.length);
    }
    const many = await Promise.all(
      Array.from({ length: 200 }, () => exchange(port, Buffer.from('y'))),
    );
    assert.ok(many.every((answer) => answer.length === 33));
    const empty = await exchange(port, Buffer.alloc(0));
    assert.equal(empty.toString('hex'), createHash('sha256').digest('hex'));
  });

  test('a run and a spawn say where, before they start; the ports end with them', async () => {
    const left = new NothingLeft();
    const events: ObservedEvent[] = [];
    {
      await using caisson = await Caisson.open({ observer: (event) => events.push(event) });
      let ports: readonly PublishedPort[] = [];
      const guest = await caisson.spawn(http, {
        policy: listening(),
        publish: { [PORT]: 0 },
        onPublished: (given) => {
          ports = given;
        },
      });
      await up(guest);
      const [{ port }] = ports as [PublishedPort];
      assert.equal(await get(port), 'inside');
      guest.kill();
      await guest.outcome;
      assert.equal(await attempt(port), 'ECONNREFUSED');
      const once = [
        "import socket; s = socket.create_server(('', 8080)); c, w = s.accept(); print(c.recv(9))",
      ];
      const ran = caisson.run(['python3', '-c', ...once], {
        policy: listening(),
        publish: { [PORT]: 0 },
        onPublished: async ([given]) => {
          const end = Date.now() + 20_000;
          while (Date.now() < end && (await attempt(given?.port ?? 0)) === 'ECONNRESET')
            await sleep(10);
        },
      });
      assert.equal((await ran).stdout.text, "b'x'\n");
      left.note();
    }
    const told = events
      .filter((event) => event.kind === 'network')
      .map(({ details }) => details.kind);
    assert.deepEqual(told, ['published', 'unpublished', 'published', 'unpublished']);
    await left.check();
  });

  test('with the proxy process dead nothing is reached, and the sandbox goes on', {
    timeout: 60_000,
  }, async () => {
    await using caisson = await Caisson.open();
    await using sandbox = await caisson.create({ policy: listening() });
    await up(sandbox.spawn(http));
    const { port } = await sandbox.publish(PORT);
    assert.equal(await get(port), 'inside');
    const children = spawnSync('pgrep', ['-P', String(process.pid), '-f', 'proxy-process'], {
      encoding: 'utf8',
    });
    process.kill(Number(children.stdout.trim()), 'SIGKILL');
    await until('its port is closed', async () => (await attempt(port)) === 'ECONNREFUSED');
    assert.equal((await sandbox.exec(['true'])).code, 0);
    // Its port may be closed before this process hears of its end.
    let again: PublishedPort | undefined;
    while (again === undefined) {
      again = await sandbox.publish(PORT).catch((error: { code?: string }) => {
        assert.equal(error.code, 'NETWORK_GONE');
        return undefined;
      });
    }
    assert.equal(await get(again.port), 'inside');
  });

  test('the command line publishes, and says where', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'caisson-publish-'));
    const file = join(directory, 'policy.yaml');
    writeFileSync(file, `network: { listen: [${PORT}] }\n`);
    const policy = ['run', '--level', 'strict', '--policy', file];
    const words = [...policy, '--publish', String(PORT), '--', ...http];
    const child = spawn('bin/caisson', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes) => {
      said += bytes;
    });
    await once(child.stdout, 'data');
    // It was said before, on another pipe.
    const line = /^caisson: 127\.0\.0\.1:(\d+) leads to port 8080 inside$/m;
    await until(
      () => `it says where: ${said}`,
      () => line.test(said),
    );
    const [, port] = line.exec(said) ?? [];
    assert.equal(await get(Number(port)), 'inside', said);
    child.kill('SIGTERM');
    await once(child, 'exit');
    assert.equal(await attempt(Number(port)), 'ECONNREFUSED');
    for (const word of ['x', '1:2:3:4', '70000:80', '0', '0.0.0.0:80:8080', '8080:81']) {
      const run = spawnSync('bin/caisson', [...policy, '--publish', word, '--', 'true'], {
        encoding: 'utf8',
      });
      assert.notEqual(run.status, 0, word);
      assert.match(run.stderr, /publish|loopback alone|not one that the policy lets/, word);
    }
    rmSync(directory, { recursive: true });
  });
});
