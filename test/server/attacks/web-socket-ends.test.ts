/**
 * WebSockets that are given up: reset at every moment of their life, or kept and never read from. What counts is what the
 * service has left of them: streams, connections, descriptors, guest processes, messages that wait.
 */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { mentioning } from '../../processes.ts';
import { until } from '../../until.ts';
import { GuestSocket } from '../guest-socket.ts';
import { RawConnection, rawRequest } from '../raw-http.ts';
import { type Served, served } from '../served.ts';

const ROOM = 64 * 1024;

describe('WebSockets that are given up', () => {
  let service: Served;
  let key: string;
  let path: string;

  before(async () => {
    service = await served({ limits: { headersTimeoutMs: '2s', heartbeatMs: 300 } });
    key = await service.key('developer');
    const { status, text, body } = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private' },
    });
    assert.equal(status, 201, text);
    path = `/api/sandboxes/${(body as { id: string }).id}/spawn`;
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const upgrade = (target: string, ...more: (readonly [string, string])[]): string =>
    rawRequest('GET', target, [
      ['host', 'localhost'],
      ['authorization', `Bearer ${key}`],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ...more,
    ]);
  /** Masked with nothing (RFC 6455, 5.2). */
  const frame = (first: number, data: string | Buffer): Buffer => {
    const bytes = Buffer.from(data as string);
    const length =
      bytes.length < 126
        ? Buffer.of(0x80 | bytes.length)
        : Buffer.of(0xfe, bytes.length >> 8, bytes.length & 255);
    return Buffer.concat([Buffer.of(first), length, Buffer.alloc(4), bytes]);
  };
  const start = (argv: readonly string[]): Buffer =>
    frame(
      0x81,
      JSON.stringify({
        argv,
        ...(path.includes('sandboxes') ? {} : { policy: 'moderate', workspace: 'private' }),
      }),
    );
  const streams = (): number => service.serving.app.streams.of('acme');
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) => {
      service.serving.app.server.getConnections((error, open) =>
        error === null ? resolve(open) : reject(error),
      );
    });
  const sockets = (): number =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
      } catch {
        return false;
      }
    }).length;

  /** Unlike any other number of seconds on this machine. */
  const mark = `7${process.pid}`;
  const moments: readonly [string, (connection: RawConnection) => Promise<void> | void][] = [
    ['with its request', () => {}],
    [
      'before its start document',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
      },
    ],
    [
      'with its start document',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['sleep', mark]));
      },
    ],
    [
      'while its guest starts',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['sleep', mark]));
        await sleep(5);
      },
    ],
    [
      'while its guest runs',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['sleep', mark]));
        await sleep(300);
      },
    ],
    [
      'while its output is held back',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.socket.pause();
        connection.send(start(['sh', '-c', `yes; : ${mark}`]));
        await sleep(500);
      },
    ],
    [
      'while its input is held back',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['sleep', mark]));
        const piece = frame(0x82, Buffer.alloc(60_000));
        for (let i = 0; i < 60; i++) connection.send(piece);
        await sleep(500);
      },
    ],
    [
      'after its outcome',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['true', mark]));
        await sleep(300);
      },
    ],
    [
      'in the middle of the closing handshake',
      async (connection) => {
        assert.equal((await connection.answer())?.status, 101);
        connection.send(start(['sleep', mark]));
        await sleep(100);
        connection.send(frame(0x88, Buffer.of(3, 0xe8)));
      },
    ],
  ];
  for (const where of ['a command of a sandbox', 'a run']) {
    for (const [when, lead] of moments) {
      test(`${where}, reset ${when}: nothing is left of it`, async () => {
        const kept = path;
        if (where === 'a run') path = '/api/runs/spawn';
        try {
          const before = { sockets: sockets(), connections: await connections() };
          const many = await Promise.all(
            Array.from({ length: 6 }, async () => {
              const connection = await RawConnection.open(service.address);
              connection.send(upgrade(path));
              await lead(connection);
              return connection;
            }),
          );
          for (const { socket } of many) socket.resetAndDestroy();
          await until(
            () => `no stream is left, and not ${streams()}`,
            () => streams() === 0,
          );
          await until(
            'no connection is left',
            async () => (await connections()) <= before.connections,
          );
          await until(
            () => `no guest is left: ${mentioning(mark).join()}`,
            () => mentioning(mark).length === 0,
          );
          await until(
            () => `${before.sockets} sockets as before, and not ${sockets()}`,
            () => sockets() <= before.sockets,
          );
          await until(
            'one runs at most',
            () => service.serving.service.manager.load().running <= 1,
          );
        } finally {
          path = kept;
        }
      });
    }
  }

  const serverSide = (): WebSocket => {
    const [client] = service.serving.app.websocketServer.clients;
    assert.ok(client !== undefined);
    return client;
  };

  test('a client that sends on and on and takes nothing: what it is to be told does not pile up', async () => {
    const guest = await GuestSocket.open(service.address, path, key);
    (guest.socket as unknown as { _socket: Socket })._socket.pause();
    guest.say({ argv: ['sh', '-c', 'yes & exec cat >/dev/null'] });
    const server = serverSide();
    await until(
      () => `a megabyte waits, and not ${server.bufferedAmount} bytes`,
      () => server.bufferedAmount >= 2 ** 20,
    );
    // What was on its way comes yet.
    for (let before = -1; before !== server.bufferedAmount; ) {
      before = server.bufferedAmount;
      await sleep(300);
    }
    const held = server.bufferedAmount;
    const piece = Buffer.alloc(256 * 1024);
    for (let i = 0; i < 400; i++) {
      guest.input(piece);
      while (guest.socket.bufferedAmount > 4 * piece.length) await sleep(1);
    }
    await sleep(200);
    const grown = server.bufferedAmount - held;
    // A hundred megabytes, which it was told of every 256 KiB.
    assert.ok(
      grown < ROOM / 4 && pending(server) < 100,
      `${grown} bytes, ${pending(server)} messages`,
    );
    guest.socket.terminate();
    await until('its stream is gone', () => streams() === 0);
  });

  test('compression that was offered is not agreed upon, and a message that has it ends the connection', async () => {
    const connection = await RawConnection.open(service.address);
    connection.send(
      upgrade(path, ['sec-websocket-extensions', 'permessage-deflate; client_max_window_bits']),
    );
    const answer = await connection.answer();
    assert.equal(answer?.status, 101);
    assert.equal(answer?.headers['sec-websocket-extensions'], undefined);
    connection.send(start(['sleep', mark]));
    // RSV1: compressed (RFC 7692, 7.2.1).
    connection.send(frame(0xc2, Buffer.alloc(100)));
    await connection.ended;
    connection.destroy();
    await until(
      () => `no guest is left: ${mentioning(mark).join()}`,
      () => streams() === 0 && mentioning(mark).length === 0,
    );
  });
});

/** Messages that wait in the process. */
function pending(socket: WebSocket): number {
  const wire = (
    socket as unknown as {
      _socket: { _writableState: { bufferedIndex: number; buffered: unknown[] } };
    }
  )._socket;
  return wire._writableState.buffered?.length ?? 0;
}
