/** A guest that goes while its connection is not read from: it is seen all the same, and the server is let go of. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { until } from '../../until.ts';
import { Stand } from './stand.ts';

/** What stops reading in the product is HTTP/2 that waits for a write; here, this does. */
function readNoMore(port: number): void {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): unknown[] };
  let stopped = 0;
  for (const handle of _getActiveHandles.call(process)) {
    if (!(handle instanceof Socket) || handle.localPort !== port) continue;
    (handle as unknown as { _handle: { readStop(): void } })._handle.readStop();
    stopped++;
  }
  assert.equal(stopped, 1);
}

test('one that resets its connection, which nobody reads', { timeout: 30_000 }, async () => {
  let served: Promise<unknown> | undefined;
  await using stand = await Stand.open({
    lookEveryMs: 50,
    serve: (request) => {
      served = new Promise((resolve) => request.once('close', resolve));
      request.on('error', () => {});
    },
  });
  const tcp = connect(stand.port, '127.0.0.1');
  const socket = connectTls({
    socket: tcp,
    servername: stand.name,
    ca: stand.authorityPem,
    ALPNProtocols: ['h2'],
  });
  for (const each of [tcp, socket]) each.on('error', () => {});
  await once(socket, 'secureConnect');
  const session = connectHttp2(stand.url(''), { createConnection: () => socket });
  session.on('error', () => {});
  session.request({ ':path': '/' }).on('error', () => {});
  await until('it is served', () => served !== undefined);
  await sleep(150); // it is looked at more than once while its guest is there
  assert.ok(!session.destroyed);
  readNoMore(stand.port);
  tcp.resetAndDestroy();
  const late = sleep(10_000, 'still there', { ref: false });
  assert.notEqual(await Promise.race([Promise.all(stand.accepted), late]), 'still there');
  assert.notEqual(await Promise.race([served, late]), 'still there');
});
