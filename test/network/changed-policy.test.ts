import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Judge } from '../../src/network/judge.ts';
import { openWorld, readAll } from './guest-side.ts';
import { clientHello, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';

test('rules that change while a name is looked up hold for the connection that waited for it', async () => {
  const found = Promise.withResolvers<void>();
  const judge = new Judge({
    policy: filtered(['good.example']),
    report: () => {},
    lookUp: async () => {
      await found.promise;
      return { kind: 'addresses', addresses: [{ address: '203.0.113.1', ttlSeconds: 60 }] };
    },
  });
  const facts = { address: '203.0.113.1', port: 443, speaks: 'tls', name: 'good.example' } as const;
  const waiting = judge.connection(facts);
  judge.update(filtered(['good.example'], ['203.0.113.0/24:443']));
  found.resolve();
  const judgement = await waiting;
  assert.equal(judgement.allowed, false);
  assert.match(judgement.reason, /denied/);
});

const TWO = '203.0.113.8';
const OTHER = '203.0.113.9';
for (const [title, port, bytes] of [
  ['passed on', 443, records(clientHello(serverName('two.example')))],
  ['read', 80, Buffer.from('GET / HTTP/1.1\r\nHost: two.example\r\n\r\n')],
] as const) {
  test(`a connection that reached another address of its name ends when that one is denied: ${title}`, async () => {
    await using world = await openWorld(filtered([`two.example:${port}`]), {
      'two.example': [TWO, OTHER],
    });
    const server = createServer((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    });
    await world.serve(`${OTHER}:${port}`, server);
    await world.resolve('two.example');
    const socket = await world.connect(TWO, port);
    socket.write(bytes);
    await once(socket, 'data');
    world.judge.update(filtered([`two.example:${port}`], ['203.0.113.77/32:*']));
    world.proxy.recheck();
    socket.write(bytes);
    await once(socket, 'data');
    world.judge.update(filtered([`two.example:${port}`], [`${OTHER}/32:*`]));
    world.proxy.recheck();
    const late = new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error('it is still open')), 10_000).unref();
    });
    await Promise.race([readAll(socket), late]);
    assert.match(world.reported.at(-1)?.reason ?? '', /two\.example:\d+ is denied/);
  });
}

for (const [title, port, bytes] of [
  ['passed on', 443, records(clientHello(serverName('two.example')))],
  ['read', 80, Buffer.from('GET / HTTP/1.1\r\nHost: two.example\r\n\r\n')],
] as const) {
  test(`another address that is denied while it is connected to gets nothing: ${title}`, async () => {
    const denied = filtered([`two.example:${port}`], [`${OTHER}/32:*`]);
    await using world = await openWorld(
      filtered([`two.example:${port}`]),
      { 'two.example': [TWO, OTHER] },
      { onReached: () => world.judge.update(denied) },
    );
    const got: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (chunk) => got.push(chunk)));
    await world.serve(`${OTHER}:${port}`, server);
    await world.resolve('two.example');
    const socket = await world.connect(TWO, port);
    socket.write(bytes);
    const late = new Promise((resolve) => setTimeout(resolve, 10_000).unref());
    await Promise.race([readAll(socket), late]);
    assert.deepEqual(got, []);
    assert.ok(socket.destroyed);
    assert.ok(world.reported.some(({ reason }) => /two\.example:\d+ is denied/.test(reason)));
  });
}
