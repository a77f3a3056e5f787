/** WebSocket frames that are none, and upgrades that are none: as bytes. RFC 6455, 5. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../until.ts';
import { RawConnection, rawRequest } from './raw-http.ts';
import { type Served, served } from './served.ts';

describe('WebSockets, by raw sockets', () => {
  let service: Served;
  let key: string;
  let path: string;

  before(async () => {
    service = await served({ limits: { headersTimeoutMs: '5s', maxStreams: 10 } });
    key = await service.key('developer');
    const made = await service.ask('POST', '/api/sandboxes', { key, body: { policy: 'strict' } });
    path = `/api/sandboxes/${(made.body as { id: string }).id}/spawn`;
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const handshake = (...more: (readonly [string, string])[]): string =>
    rawRequest('GET', path, [
      ['host', 'localhost'],
      ['authorization', `Bearer ${key}`],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ...more,
    ]);
  const GOOD = [
    ['sec-websocket-version', '13'],
    ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ] as const;
  const open = async (): Promise<RawConnection> => {
    const connection = await RawConnection.open(service.address);
    connection.send(handshake(...GOOD));
    assert.equal((await connection.answer())?.status, 101);
    return connection;
  };
  const running = (): number => service.serving.app.streams.of('acme');

  const frames: Readonly<Record<string, readonly number[]>> = {
    'one that is not masked': [0x81, 0x02, 0x7b, 0x7d],
    'reserved bits': [0xf1, 0x80, 0, 0, 0, 0],
    'an opcode that is none': [0x83, 0x80, 0, 0, 0, 0],
    'a control frame in parts': [0x09, 0x80, 0, 0, 0, 0],
    'a ping that is too long': [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0],
    'a continuation of nothing': [0x80, 0x80, 0, 0, 0, 0],
    'a length of 2^63': [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    'a length of 2^53': [0x82, 0xff, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    'a length of 1 GiB': [0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0],
    'a close with one byte': [0x88, 0x81, 0, 0, 0, 0, 3],
    'a close with a code that is none': [0x88, 0x82, 0, 0, 0, 0, 0, 1],
    'HTTP again': [...Buffer.from('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n')],
  };
  for (const [name, bytes] of Object.entries(frames)) {
    test(`${name}: the connection ends, and nothing is left of it`, async () => {
      const connection = await open();
      connection.send(Uint8Array.from(bytes));
      await connection.ended;
      connection.destroy();
      await until('its stream counts no more', () => running() === 0);
      assert.equal((await service.ask('GET', '/healthz')).status, 200);
    });
  }

  const handshakes: Readonly<Record<string, (readonly [string, string])[]>> = {
    'without a key': [['sec-websocket-version', '13']],
    'with a key that is none': [
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'x'],
    ],
    'of another version': [
      ['sec-websocket-version', '7'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ],
  };
  for (const [name, headers] of Object.entries(handshakes)) {
    test(`a handshake ${name} is refused`, async () => {
      const connection = await RawConnection.open(service.address);
      connection.send(handshake(...headers));
      const answer = await connection.answer();
      assert.ok([400, 405, 426].includes(answer?.status ?? 0), `${answer?.status}`);
      connection.destroy();
      await until('its stream counts no more', () => running() === 0);
    });
  }

  test('an upgrade of a route that is no WebSocket, and of none, changes nothing', async () => {
    for (const [target, status] of [
      ['/healthz', [400]],
      ['/nowhere', [404]],
    ] as const) {
      const connection = await RawConnection.open(service.address);
      connection.send(handshake(...GOOD).replace(path, target));
      const answer = await connection.answer();
      assert.ok(
        (status as readonly number[]).includes(answer?.status ?? 0),
        `${target}: ${answer?.status}`,
      );
      connection.destroy();
    }
  });

  test('an upgrade that is refused leaves no connection, whoever asks', async () => {
    const { server } = service.serving.app;
    const count = (): Promise<number> =>
      new Promise((resolve, reject) => {
        server.getConnections((error, open) => (error === null ? resolve(open) : reject(error)));
      });
    const before = await count();
    const nobody = handshake(...GOOD).replace(key, 'nobody');
    for (const bytes of [nobody, nobody.replace(path, '/%zz'), nobody.replace(path, '/nowhere')]) {
      for (let i = 0; i < 10; i++) {
        const connection = await RawConnection.open(service.address);
        connection.send(bytes);
        assert.ok([400, 401, 404, 429].includes((await connection.answer())?.status ?? 0));
        // The client keeps its end open.
        await connection.ended;
      }
    }
    let left = before;
    await until(
      () => `${before} connections as before, and not ${left}`,
      async () => {
        left = await count();
        return left <= before;
      },
    );
  });

  test('another protocol that is offered is not taken, and the request answered', async () => {
    const connection = await RawConnection.open(service.address);
    connection.send(
      rawRequest('GET', '/healthz', [
        ['host', 'localhost'],
        ['connection', 'Upgrade, HTTP2-Settings'],
        ['upgrade', 'h2c'],
        ['http2-settings', 'AAMAAABkAAQAAP__'],
      ]),
    );
    assert.equal((await connection.answer())?.status, 200);
    connection.destroy();
  });

  test('a flood of upgrades: so many are taken, the others refused with a status, and all end', async () => {
    const connections = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const connection = await RawConnection.open(service.address);
        connection.send(handshake(...GOOD));
        return connection;
      }),
    );
    const answers = await Promise.all(connections.map((each) => each.answer()));
    assert.equal(answers.filter((each) => each?.status === 101).length, 10);
    const refused = answers.filter((each) => each?.status === 429);
    assert.equal(refused.length, 50);
    for (const each of refused) assert.equal(each?.headers['retry-after'], '1');
    for (const each of connections) each.destroy();
    await until('no stream counts any more', () => running() === 0);
    const next = await open();
    next.destroy();
  });
});
