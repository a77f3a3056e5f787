/** WebSockets as a weapon: floods of frames by one tenant, felt by another; upgrades where none can be. As bytes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../until.ts';
import { RawConnection, rawRequest } from '../raw-http.ts';
import { type Served, served } from '../served.ts';

describe('floods over WebSockets', () => {
  let service: Served;
  let key: string;
  let neighbour: string;
  let path: string;

  before(async () => {
    service = await served({ limits: { heartbeatMs: 300, keepAliveMs: 1000 } });
    key = await service.key('developer', 'globex');
    neighbour = await service.key('developer');
    const make = async (by: string) => {
      const { status, text, body } = await service.ask('POST', '/api/sandboxes', {
        key: by,
        body: { policy: 'moderate', workspace: 'private' },
      });
      assert.equal(status, 201, text);
      return (body as { id: string }).id;
    };
    path = `/api/sandboxes/${await make(key)}/spawn`;
    // Its key is known then: to check one takes a thread, which is waited for.
    assert.equal((await service.ask('GET', '/api/sandboxes', { key: neighbour })).status, 200);
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const upgrade = (target = path, token = key): string =>
    rawRequest('GET', target, [
      ['host', 'localhost'],
      ['authorization', `Bearer ${token}`],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ]);
  /** A frame of less than 126 bytes, masked with nothing (RFC 6455, 5.2). */
  const frame = (first: number, data: string | Buffer): Buffer => {
    const bytes = Buffer.from(data as string);
    return Buffer.concat([Buffer.of(first, 0x80 | bytes.length, 0, 0, 0, 0), bytes]);
  };
  const many = (one: Buffer, count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, () => one));
  const open = async (argv: readonly string[]): Promise<RawConnection> => {
    const connection = await RawConnection.open(service.address);
    connection.send(upgrade());
    assert.equal((await connection.answer())?.status, 101);
    connection.send(frame(0x81, JSON.stringify({ argv })));
    return connection;
  };
  const streams = (): number => service.serving.app.streams.of('globex');
  const gone = (): Promise<void> =>
    until(
      () => `no stream is left, and not ${streams()}`,
      () => streams() === 0,
    );

  const floods: readonly [string, Buffer][] = [
    ['messages without bytes', frame(0x82, Buffer.of(0))],
    ['pings', frame(0x89, '')],
    ['pongs', frame(0x8a, '')],
  ];
  for (const [what, one] of floods) {
    test(`${what}: others come between what a tenant’s connections bring`, async () => {
      const connections = await Promise.all(
        Array.from({ length: 12 }, () => open(['sleep', '600'])),
      );
      // 200 ms and more of the loop, all there at once.
      const flood = many(one, 80_000);
      for (const connection of connections) connection.send(flood);
      const read = () =>
        connections.reduce(
          (sum, { socket }) => sum + socket.bytesWritten - socket.writableLength,
          0,
        );
      const { clients } = service.serving.app.websocketServer;
      const taken = () =>
        [...clients].reduce(
          (sum, client) =>
            sum + (client as unknown as { _socket: { bytesRead: number } })._socket.bytesRead,
          0,
        );
      await sleep(1);
      for (let i = 0; i < 3; i++) {
        const { status } = await service.ask('GET', '/api/sandboxes', { key: neighbour });
        assert.equal(status, 200);
      }
      const share = taken() / (12 * flood.length);
      assert.ok(read() > 0 && share < 0.7, `${Math.round(share * 100)} % had been read before`);
      for (const connection of connections) connection.socket.resetAndDestroy();
      await gone();
    });
  }

  test('a message in parts without end is refused', async () => {
    for (const part of ['', 'x']) {
      const connection = await open(['sleep', '600']);
      let heard = Buffer.alloc(0);
      connection.socket.on('data', (chunk: Buffer) => {
        heard = Buffer.concat([heard, chunk]);
      });
      connection.send(frame(0x02, part));
      connection.send(many(frame(0x00, part), 2000));
      await connection.ended;
      // Closed with 1008; a client that is silent would be left without a word.
      assert.ok(heard.includes(Buffer.of(0x88, 2, 0x03, 0xf0)), heard.toString('hex'));
      connection.destroy();
      await gone();
    }
  });

  test('an upgrade behind a request that is being answered is a request like any', async () => {
    const nobody = upgrade('/api/runs/spawn', 'nobody');
    const health = rawRequest('GET', '/healthz', [['host', 'localhost']]);
    for (const [second, status] of [
      [upgrade(), 400],
      [nobody, 401],
      [upgrade('/nowhere'), 404],
    ] as const) {
      const connection = await RawConnection.open(service.address);
      connection.send(health + second);
      assert.equal((await connection.answer())?.status, 200);
      assert.equal((await connection.answer())?.status, status);
      // And the connection is one like any: it ends when nothing more is asked.
      await connection.ended;
      connection.destroy();
    }
    assert.equal(streams(), 0);
  });

  test('one after an answer on the same connection is taken', async () => {
    const connection = await RawConnection.open(service.address);
    connection.send(rawRequest('GET', '/healthz', [['host', 'localhost']]));
    assert.equal((await connection.answer())?.status, 200);
    connection.send(upgrade());
    assert.equal((await connection.answer())?.status, 101);
    connection.socket.resetAndDestroy();
    await gone();
  });
});
