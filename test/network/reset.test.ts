/** A connection that is given up is closed, and says so, in whatever state it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { reset } from '../../src/network/reset.ts';

for (const [state, first] of Object.entries({
  'that is open': () => {},
  'that shuts down': (socket: Socket) => void socket.end(),
  'that shuts down behind what waits': (socket: Socket) => void socket.end(Buffer.alloc(1 << 24)),
  'whose other side has ended': async (socket: Socket, other: Socket) => {
    other.end();
    await once(socket.resume(), 'end');
    socket.end();
  },
})) {
  test(`one ${state}`, async () => {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const other = connect((server.address() as AddressInfo).port, '127.0.0.1');
    other.on('error', () => {});
    const [socket] = (await once(server, 'connection')) as [Socket];
    socket.on('error', () => {});
    await first(socket, other);
    const closed = once(socket, 'close');
    reset(socket);
    const late = sleep(10_000, 'still open', { ref: false });
    assert.notEqual(await Promise.race([closed, late]), 'still open');
    other.destroy();
    server.close();
  });
}
