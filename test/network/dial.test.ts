import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { dialAtMost } from '../../src/network/dial.ts';

test('no more than so many connections at once; those that failed or closed do not count', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const dial = dialAtMost(2);
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port: shut } = nobody.address() as { port: number };
  await new Promise((resolve) => nobody.close(resolve));
  for (let at = 0; at < 3; at++) await assert.rejects(dial(['127.0.0.1'], shut), /ECONNREFUSED/);
  const [first, second] = [await dial(['127.0.0.1'], port), await dial(['127.0.0.1'], port)];
  await assert.rejects(dial(['127.0.0.1'], port), /2 connections to servers are open/);
  first.destroy();
  await once(first, 'close');
  const third = await dial(['127.0.0.1'], port);
  second.destroy();
  third.destroy();
  server.close();
});
