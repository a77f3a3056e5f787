import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { dial } from '../../src/network/dial.ts';
import { Download, relayOneWay } from '../../src/network/relay.ts';
import { RelayBuffers } from '../../src/network/relay-buffers.ts';

const IDLE_MS = 60_000;
const MIB = 1024 * 1024;

/** Guests are relayed to a server that does `serve`, through these buffers. */
async function open(serve: (socket: Socket) => void, buffers = new RelayBuffers()) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const open = new Set<Socket>();
  const relay = createServer({ allowHalfOpen: true }, async (guest) => {
    guest.on('error', () => {});
    const download = new Download(guest, buffers);
    const upstream = await dial(['127.0.0.1'], port, download.onread);
    for (const socket of [guest, upstream]) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    }
    download.start(upstream, IDLE_MS);
    relayOneWay(guest, upstream, IDLE_MS);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return {
    buffers,
    connect: () => connect({ port: (relay.address() as { port: number }).port, host: '127.0.0.1' }),
    closed: async () => {
      while (open.size > 0) await wait(5);
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      relay.close();
    },
  };
}

/** Writes it again and again, as fast as it is taken. */
function stream(socket: Socket, bytes: Uint8Array, times: number): void {
  let left = times;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      left--;
      if (!socket.write(bytes)) return;
    }
    socket.end();
  };
  socket.on('drain', more);
  more();
}

test('what a server sends arrives as it was, with readers of every pace; large buffers come back', async () => {
  const block = randomBytes(3 * MIB + 12_345);
  const times = 20;
  const sent = createHash('sha256');
  for (let each = 0; each < times; each++) sent.update(block);
  const expected = sent.digest('hex');
  await using relay = await open((socket) => stream(socket, block, times));
  let most = 0;
  const receive = async (pauseMs: number): Promise<string> => {
    const hash = createHash('sha256');
    const guest = relay.connect();
    guest.end();
    let reads = 0;
    for await (const chunk of guest as AsyncIterable<Buffer>) {
      hash.update(chunk);
      most = Math.max(most, relay.buffers.largeBytes);
      if (pauseMs > 0 && reads++ % 50 === 0) await wait(pauseMs);
    }
    return hash.digest('hex');
  };
  const received = await Promise.all([0, 0, 1, 5].map(receive));
  assert.deepEqual(received, Array(4).fill(expected));
  await relay.closed();
  assert.ok(most >= MIB, `${most} bytes of large buffers were lent at once`);
  assert.equal(relay.buffers.largeBytes, 0);
});

test('large buffers come back from guests that go in mid-transfer, read or not', async () => {
  const block = Buffer.alloc(4 * MIB, 7);
  await using relay = await open((socket) => stream(socket, block, 1000));
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const guests = Array.from({ length: 10 }, () => relay.connect());
    for (const [i, guest] of guests.entries()) {
      guest.on('error', () => {});
      let received = 0;
      guest.on('data', (chunk: Buffer) => {
        received += chunk.length;
        // Half of them read no more, and leave the relay with what it cannot write.
        if (received > 8 * MIB && i % 2 === 0) guest.pause();
      });
    }
    while (relay.buffers.largeBytes < 4 * MIB) await wait(5);
    await wait(100);
    for (const guest of guests) guest[leave]();
    await relay.closed();
    assert.equal(relay.buffers.largeBytes, 0, leave);
  }
});

test('large buffers come back when the server goes in mid-transfer', async () => {
  const servers: Socket[] = [];
  await using relay = await open((socket) => {
    servers.push(socket);
    stream(socket, Buffer.alloc(4 * MIB, 7), 1000);
  });
  const guests = Array.from({ length: 6 }, () => relay.connect());
  for (const guest of guests) guest.on('error', () => {}).resume();
  while (servers.length < guests.length || relay.buffers.largeBytes < 4 * MIB) await wait(5);
  for (const [i, server] of servers.entries()) {
    if (i % 2 === 0) server.destroy();
    else server.resetAndDestroy();
  }
  await relay.closed();
  assert.equal(relay.buffers.largeBytes, 0);
});

test('a filled buffer grows, a little used one shrinks, and all of them together have a bound', () => {
  const buffers = new RelayBuffers();
  const grow = (from: Buffer): Buffer => {
    const next = buffers.after(from, from.length);
    if (next !== from) buffers.giveBack(from);
    return next;
  };
  const small = buffers.take();
  assert.equal(buffers.largeBytes, 0);
  const large = grow(grow(small));
  assert.equal(large.length, 4 * MIB);
  assert.equal(buffers.largeBytes, 4 * MIB);
  assert.equal(buffers.after(large, large.length), large);
  assert.equal(buffers.after(large, MIB), large);
  const many = Array.from({ length: 100 }, () => grow(grow(buffers.take())));
  assert.ok(buffers.largeBytes <= 64 * MIB, `${buffers.largeBytes}`);
  assert.ok(
    many.some(({ length }) => length === 128 * 1024),
    'the others go on with what they have',
  );
  const shrunk = buffers.after(large, 1000);
  assert.equal(shrunk.length, MIB);
  for (const each of [...many, large, shrunk]) buffers.giveBack(each);
  assert.equal(buffers.largeBytes, 0);
});

test('a buffer is written out of until the guest has taken everything, though the next read fills another', () => {
  const buffers = new RelayBuffers();
  let taken: () => void = () => {};
  const guest = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => {
      taken = done;
    },
  });
  const { onread } = new Download(guest as Socket, buffers);
  const next = onread.buffer as () => Buffer;
  const first = next();
  assert.equal(onread.callback(first.length, first), false, 'nothing more is read meanwhile');
  const second = next();
  assert.ok(second.length > first.length);
  const other = buffers.take();
  assert.notEqual(other, first);
  taken();
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      assert.equal(buffers.take(), first);
      resolve();
    });
  });
});
