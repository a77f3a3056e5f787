/** What a WebSocket leaves in memory when it is closed, while whoever writes to it goes on: a guest that is detached. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WebSocket } from 'ws';
import { SocketChannel } from '../../../src/server/http/socket-channel.ts';
import { SocketReader } from '../../../src/server/http/socket-turns.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Sends when it is told to. */
class Socket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly memory: WeakRef<ArrayBufferLike>[] = [];
  readonly #unsent: (() => void)[] = [];

  send(message: Buffer, _options: object, sent: () => void): void {
    this.memory.push(new WeakRef(message.buffer));
    this.#unsent.push(sent);
  }

  flush(count: number): void {
    for (const sent of this.#unsent.splice(0, count)) sent();
  }

  pause(): void {}
  resume(): void {}
}

test('messages that were sent, and those that no longer can be, take no memory of a closed one', async () => {
  const socket = new Socket();
  const channel = new SocketChannel(
    socket as unknown as WebSocket,
    { accept: [], heartbeat: { firstMs: 1000, everyMs: 1000 } },
    { id: 'a', reader: new SocketReader(socket) },
    { text: () => {}, binary: () => {} },
  );
  for (let i = 0; i < 16; i++) channel.channel(1, Buffer.alloc(60_000));
  socket.flush(10);
  socket.readyState = 3;
  socket.emit('close');
  socket.flush(6);
  assert.equal(channel.channel(1, Buffer.alloc(60_000)), undefined);
  for (let i = 0; i < 3; i++) {
    await turn();
    collect();
  }
  assert.equal(socket.memory.length, 16);
  assert.equal(socket.memory.filter((each) => each.deref() !== undefined).length, 0);
  assert.equal(channel.isOpen, false);
});
