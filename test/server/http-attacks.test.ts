/** What no client library sends: slow, malformed, ambiguous and too much, as bytes on sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemSchema } from '../../src/api/problem.ts';
import { type RawAnswer, RawConnection, rawRequest } from './raw-http.ts';
import { type Served, served } from './served.ts';

const HEADERS_MS = 600;
const REQUEST_MS = 1500;
const HOST = ['host', 'localhost'] as const;

describe('the service, by raw sockets', () => {
  let service: Served;
  let key: string;
  let bearer: readonly [string, string];

  before(async () => {
    service = await served({
      limits: {
        headersTimeoutMs: `${HEADERS_MS}ms`,
        requestTimeoutMs: `${REQUEST_MS}ms`,
        bodyBytes: '16KiB',
        uploadBytes: '64KiB',
      },
    });
    key = await service.key('developer');
    bearer = ['authorization', `Bearer ${key}`];
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  const open = (): Promise<RawConnection> => RawConnection.open(service.address);
  const isWell = async (): Promise<void> => {
    assert.equal((await service.ask('GET', '/healthz')).status, 200);
  };
  const post = (body: string, ...more: (readonly [string, string])[]): string =>
    rawRequest(
      'POST',
      '/api/policies/validate',
      [HOST, bearer, ['content-type', 'application/json'], ...more],
      body,
    );
  const BODY = JSON.stringify({ policy: 'strict' });

  /** One answer, then the end of the connection. */
  const only = async (bytes: string): Promise<RawAnswer> => {
    const connection = await open();
    connection.send(bytes);
    const answer = await connection.answer();
    assert.ok(answer !== undefined, 'no answer');
    assert.equal(await connection.answer({ patienceMs: 3000 }), undefined, 'a second answer');
    await connection.ended;
    connection.destroy();
    return answer;
  };

  test('headers that trickle in: 408, and the connection ends', async () => {
    const connection = await open();
    connection.send('GET /healthz HTTP/1.1\r\nhost: localhost\r\n');
    const drip = setInterval(() => connection.send('x-drip: a\r\n'), 100);
    const answer = await connection.answer({ patienceMs: 8000 });
    clearInterval(drip);
    assertProblem(answer, 408, 'REQUEST_TIMEOUT');
    await connection.ended;
    connection.destroy();
    await isWell();
  });

  test('nothing at all: the connection ends', async () => {
    const connection = await open();
    await connection.ended;
    connection.destroy();
  });

  test('a body that trickles in: 408, and the connection ends', async () => {
    for (const how of [
      ['content-length', '5000'],
      ['transfer-encoding', 'chunked'],
    ] as const) {
      const connection = await open();
      connection.send(post('', how));
      const drip = setInterval(
        () => connection.send(how[1] === 'chunked' ? '1\r\n \r\n' : ' '),
        100,
      );
      const answer = await connection.answer({ patienceMs: 8000 });
      clearInterval(drip);
      assertProblem(answer, 408, 'REQUEST_TIMEOUT');
      await connection.ended;
      connection.destroy();
    }
    await isWell();
  });

  test('a body that never comes behind an answer that needed none: the connection ends', async () => {
    for (const [method, path] of [
      ['POST', '/api/runs'],
      ['GET', '/healthz'],
      ['POST', '/nowhere'],
    ] as const) {
      const connection = await open();
      connection.send(rawRequest(method, path, [HOST, ['content-length', '5000']]));
      const answer = await connection.answer();
      assert.ok([401, 200, 404].includes(answer?.status ?? 0), `${answer?.status}`);
      await connection.ended;
      connection.destroy();
    }
  });

  test('an upload may take longer than a request, but not stand still for longer', async () => {
    const { body } = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private' },
    });
    const { id } = body as { id: string };
    const upload = (length: number): string =>
      rawRequest('PUT', `/api/sandboxes/${id}/files?path=a`, [
        HOST,
        bearer,
        ['content-type', 'application/octet-stream'],
        ['content-length', String(length)],
      ]);
    const slow = await open();
    slow.send(upload(20));
    for (let i = 0; i < 20; i++) {
      await sleep(REQUEST_MS / 10);
      slow.send('x');
    }
    assert.equal((await slow.answer())?.status, 200);
    slow.destroy();
    const still = await open();
    still.send(upload(20));
    still.send('x');
    assertProblem(await still.answer(), 408, 'REQUEST_TIMEOUT');
    await still.ended;
    still.destroy();
    await service.ask('DELETE', `/api/sandboxes/${id}`, { key });
  });

  test('a body that is too large: 413, whether it is told before or not', async () => {
    const large = 'x'.repeat(17 * 1024);
    const connection = await open();
    connection.send(post('', ['content-length', String(2 ** 40)]));
    const answer = await connection.answer();
    assertProblem(answer, 413, 'TOO_LARGE');
    assert.match(String(answer?.body), /at most 16384 bytes.*"limit":16384/);
    connection.destroy();
    const chunked = await open();
    chunked.send(
      post(`${large.length.toString(16)}\r\n${large}\r\n`, ['transfer-encoding', 'chunked']),
    );
    assertProblem(await chunked.answer(), 413, 'TOO_LARGE');
    // What comes of it later is thrown away, and not for long.
    await chunked.ended;
    chunked.destroy();
  });

  /** Where this server and a proxy before it could see two requests, or another one. */
  const smuggled = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const ambiguous: Readonly<Record<string, () => string>> = {
    'Content-Length and Transfer-Encoding': () =>
      post(`0\r\n\r\n${smuggled}`, ['content-length', '6'], ['transfer-encoding', 'chunked']),
    'Transfer-Encoding, then Content-Length': () =>
      post(`0\r\n\r\n${smuggled}`, ['transfer-encoding', 'chunked'], ['content-length', '6']),
    'two Content-Length that differ': () =>
      post(BODY + smuggled, ['content-length', '0'], ['content-length', String(BODY.length)]),
    'two Content-Length that are the same': () =>
      post(BODY, ['content-length', String(BODY.length)], ['content-length', String(BODY.length)]),
    'a list as Content-Length': () =>
      post(BODY, ['content-length', `${BODY.length}, ${BODY.length}`]),
    'a signed Content-Length': () => post(BODY, ['content-length', `+${BODY.length}`]),
    'a hexadecimal Content-Length': () => post(BODY, ['content-length', '0x13']),
    'an overflowing Content-Length': () => post(BODY, ['content-length', '18446744073709551617']),
    'Transfer-Encoding of something else': () => post(BODY, ['transfer-encoding', 'xchunked']),
    'chunked, but not last': () =>
      post(`0\r\n\r\n${smuggled}`, ['transfer-encoding', 'chunked, identity']),
    'white space before the colon': () =>
      `POST /api/policies/validate HTTP/1.1\r\nhost: localhost\r\nTransfer-Encoding : chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
    'a folded header': () =>
      `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\r\n content-length: 5\r\n\r\n`,
    'a bare LF in a header': () => `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\nb: c\r\n\r\n`,
    'lines that end with LF alone': () => 'GET /healthz HTTP/1.1\nhost: localhost\n\n',
    'a bare CR in a header': () => `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n`,
    'NUL in a name': () => `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx\0y: a\r\n\r\n`,
    'NUL in a value': () => `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n`,
    'NUL in the path': () => `GET /health\0z HTTP/1.1\r\nhost: localhost\r\n\r\n`,
    'a space in the path': () => `GET /health z HTTP/1.1\r\nhost: localhost\r\n\r\n`,
    'no Host': () => 'GET /healthz HTTP/1.1\r\n\r\n',
    'two Hosts': () => 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nHost: evil.example\r\n\r\n',
    'HTTP/2 without asking': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'HTTP/0.9': () => 'GET /healthz\r\n\r\n',
    'HTTP/1.2': () => 'GET /healthz HTTP/1.2\r\nhost: localhost\r\n\r\n',
    'a method that is none': () => 'XYZZY /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'a method in small letters': () => 'get /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n',
    TLS: () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a chunk of a size that is none': () =>
      post('zz\r\n{}\r\n0\r\n\r\n', ['transfer-encoding', 'chunked']),
    'a chunk of an overflowing size': () =>
      post(`fffffffffffffffff\r\n{}\r\n0\r\n\r\n`, ['transfer-encoding', 'chunked']),
    'a chunk whose size ends with LF alone': () =>
      post(`2\n{}\r\n0\r\n\r\n`, ['transfer-encoding', 'chunked']),
    'a chunk that is longer than it says': () =>
      post(`2\r\n{}${smuggled}0\r\n\r\n`, ['transfer-encoding', 'chunked']),
  };
  for (const [name, bytes] of Object.entries(ambiguous)) {
    test(`${name}: refused once, and the connection ends`, async () => {
      // What it still waits for is given up.
      assertProblem(await only(bytes()), 400, 'REQUEST_INVALID');
    });
  }

  test('headers that are too large, and a path: 431, 400 or 404', async () => {
    const huge = 'x'.repeat(20 * 1024);
    assertProblem(
      await only(rawRequest('GET', '/healthz', [HOST, ['x-huge', huge]])),
      431,
      'HEADERS_TOO_LARGE',
    );
    assertProblem(await only(rawRequest('GET', `/${huge}`, [HOST])), 431, 'HEADERS_TOO_LARGE');
    const many = Array.from({ length: 3000 }, (_, i) => [`x${i}`, ''] as const);
    assertProblem(
      await only(rawRequest('GET', '/healthz', [HOST, ...many])),
      431,
      'HEADERS_TOO_LARGE',
    );
    const long = `/api/sandboxes/${'x'.repeat(9000)}`;
    const closing = ['connection', 'close'] as const;
    const { status } = await only(rawRequest('GET', long, [HOST, bearer, closing]));
    assert.ok([400, 404].includes(status), `${status}`);
  });

  test('several requests at once are answered in their order', async () => {
    const connection = await open();
    const ask = (path: string): string => rawRequest('GET', path, [HOST, bearer]);
    connection.send(
      ask('/healthz') +
        ask('/nowhere') +
        post(BODY, ['content-length', String(BODY.length)]) +
        ask('/readyz'),
    );
    const statuses: unknown[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await connection.answer())?.status);
    assert.deepEqual(statuses, [200, 404, 200, 200]);
    connection.destroy();
  });

  test('what is wrong behind a request is never its answer', async () => {
    const connection = await open();
    const run = JSON.stringify({ argv: ['sleep', '0.5'] });
    const headers = [
      HOST,
      bearer,
      ['content-type', 'application/json'],
      ['content-length', String(run.length)],
    ] as const;
    connection.send(rawRequest('POST', '/api/runs', headers, run));
    await sleep(50);
    connection.send('NONSENSE\r\n\r\n');
    const answer = await connection.answer();
    assert.ok(answer === undefined || answer.status === 200, `${answer?.status}`);
    await connection.ended;
    connection.destroy();
    await isWell();
  });

  test('HTTP/1.0 is answered, and the connection ends', async () => {
    const answer = await only('GET /healthz HTTP/1.0\r\n\r\n');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['transfer-encoding'], undefined);
  });

  test('HEAD, OPTIONS and TRACE are no methods of any route, and tell nothing back', async () => {
    const closing = ['connection', 'close'] as const;
    for (const method of ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const connection = await open();
      connection.send(
        rawRequest(method, '/api/sandboxes', [HOST, bearer, closing, ['x-secret', 'told back']]),
      );
      const answer = await connection.answer({ head: method === 'HEAD' });
      assert.ok([404, 405].includes(answer?.status ?? 0), `${method}: ${answer?.status}`);
      assert.ok(!answer?.body.includes('told back'));
      assert.equal(answer?.headers['access-control-allow-origin'], undefined);
      connection.destroy();
    }
    const tunnel = await open();
    tunnel.send(rawRequest('CONNECT', '127.0.0.1:22', [HOST, bearer]));
    assert.notEqual((await tunnel.answer())?.status, 200);
    tunnel.destroy();
    const star = await only(rawRequest('OPTIONS', '*', [HOST, closing]));
    assert.ok(star.status >= 400 && star.status < 500, `${star.status}`);
  });

  test('a path in absolute form is the path that it names, whatever host it names', async () => {
    const closing = ['connection', 'close'] as const;
    const { status } = await only(
      rawRequest('GET', 'http://evil.example/healthz', [HOST, closing]),
    );
    assert.ok([200, 400, 404].includes(status), `${status}`);
    for (const path of [
      '//evil.example/healthz',
      '/../healthz',
      '/%2e%2e/healthz',
      '/healthz/',
      '/HEALTHZ',
      '/healthz%00',
      '/api/../healthz',
      '/api%2fsandboxes',
    ]) {
      const answer = await only(rawRequest('GET', path, [HOST, closing]));
      assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`);
    }
  });

  test('a credential is looked for in one place, once', async () => {
    const closing = ['connection', 'close'] as const;
    const twice = await only(
      rawRequest('GET', '/api/sandboxes', [HOST, closing, bearer, ['authorization', 'Bearer x']]),
    );
    assertProblem(twice, 401, 'UNAUTHENTICATED');
    const inQuery = await only(
      rawRequest('GET', `/api/sandboxes?access_token=${key}`, [HOST, closing]),
    );
    assertProblem(inQuery, 401, 'UNAUTHENTICATED');
  });

  test('Expect: 100-continue is answered before the body; another expectation is none', async () => {
    const connection = await open();
    connection.send(post('', ['content-length', String(BODY.length)], ['expect', '100-continue']));
    const soon = await connection.answer({ informational: true });
    assert.equal(soon?.status, 100);
    connection.send(BODY);
    assert.equal((await connection.answer())?.status, 200);
    connection.send(post(BODY, ['content-length', String(BODY.length)], ['expect', 'a miracle']));
    assert.equal((await connection.answer())?.status, 200);
    connection.destroy();
  });
});

describe('requests that come behind others on one connection', () => {
  let service: Served;
  let key: string;
  let begun = 0;
  before(async () => {
    service = await served(
      {},
      {
        onRoute: (route) => {
          if (route.url !== '/openapi.json') return;
          route.onRequest = (_request, _reply, done) => {
            begun += 1;
            done();
          };
        },
      },
    );
    key = await service.key('developer');
  });
  after(async () => {
    await service[Symbol.asyncDispose]();
  });

  test('each begins when the one before it has been answered', async () => {
    const { body } = await service.ask('POST', '/api/sandboxes', {
      key,
      body: { policy: 'moderate', workspace: 'private' },
    });
    const at = `/api/sandboxes/${(body as { id: string }).id}`;
    const connection = await RawConnection.open(service.address);
    const script = (text: string): string => {
      const sent = JSON.stringify({ argv: ['sh', '-c', text] });
      return rawRequest(
        'POST',
        `${at}/exec`,
        [
          HOST,
          ['authorization', `Bearer ${key}`],
          ['content-type', 'application/json'],
          ['content-length', String(sent.length)],
        ],
        sent,
      );
    };
    connection.send(
      script('sleep 0.4; echo 1 >> order') +
        script('sleep 0.2; echo 2 >> order') +
        script('echo 3 >> order'),
    );
    for (let i = 0; i < 3; i++) assert.equal((await connection.answer())?.status, 200);
    connection.destroy();
    const { text } = await service.ask('GET', `${at}/files?path=order`, { key });
    assert.equal(text, '1\n2\n3\n');
  });

  test('of a flood the others wait for no more than a few; whoever goes away has the rest not done', async () => {
    const flood = rawRequest('GET', '/openapi.json', [HOST]).repeat(1000);
    const connections = await Promise.all(
      Array.from({ length: 5 }, () => RawConnection.open(service.address)),
    );
    for (const connection of connections) {
      connection.socket.pause();
      connection.send(flood);
    }
    while (begun === 0) await sleep(1);
    const before = begun;
    assert.equal((await service.ask('GET', '/healthz')).status, 200);
    // A connection has one in a pass of the loop; an answer to somebody else takes a few passes.
    assert.ok(before < 250 && begun < 500, `${before} were begun at first, then ${begun}`);
    for (const connection of connections) connection.socket.resetAndDestroy();
    // It is seen a moment later that they are gone; who went on would come to the end of all.
    for (let before = -1; before !== begun; ) {
      before = begun;
      await sleep(300);
    }
    assert.ok(begun < 5000, `${begun}`);
  });

  test('a connection on which many wait is read no further, and goes on later', async () => {
    const read: Socket[] = [];
    const onConnection = (socket: Socket) => read.push(socket);
    service.serving.app.server.on('connection', onConnection);
    const connection = await RawConnection.open(service.address);
    const run = JSON.stringify({ policy: 'strict', argv: ['sleep', '1.5'] });
    const headers = [
      HOST,
      ['authorization', `Bearer ${key}`],
      ['content-type', 'application/json'],
      ['content-length', String(run.length)],
    ] as const;
    const count = 20_000;
    const more = rawRequest('GET', '/healthz', [HOST]).repeat(count);
    connection.send(rawRequest('POST', '/api/runs', headers, run) + more);
    await sleep(1000);
    assert.ok((read[0]?.bytesRead ?? 0) < 256 * 1024, `${read[0]?.bytesRead} bytes were read`);
    assert.equal((await connection.answer())?.status, 200);
    for (let i = 0; i < 3000; i++) assert.equal((await connection.answer())?.status, 200);
    connection.destroy();
    service.serving.app.server.off('connection', onConnection);
  });
});

test('more connections than there may be, each with a request: closed; there is room again when others go', async () => {
  await using service = await served({ limits: { maxConnections: 5, maxRequests: 5 } });
  const headers = [
    HOST,
    ['authorization', `Bearer ${await service.key('developer')}`],
    ['content-type', 'application/json'],
    ['content-length', '100'],
  ] as const;
  const held = await Promise.all(
    Array.from({ length: 5 }, () => RawConnection.open(service.address)),
  );
  for (const connection of held) {
    const isRead = once(service.serving.app.server, 'request');
    connection.send(rawRequest('POST', '/api/policies/validate', headers));
    await isRead;
    assert.equal(await connection.answer({ patienceMs: 50 }), undefined);
  }
  const ask = rawRequest('GET', '/healthz', [HOST]);
  const late = await RawConnection.open(service.address);
  late.send(ask);
  assert.equal(await late.answer(), undefined);
  assert.deepEqual(
    held.map(({ hasEnded }) => hasEnded),
    held.map(() => false),
  );
  held[0]?.destroy();
  for (let i = 0, status: number | undefined; status !== 200; i++) {
    assert.ok(i < 100, 'there is no room again');
    await sleep(100);
    const next = await RawConnection.open(service.address);
    next.send(ask);
    status = (await next.answer())?.status;
    next.destroy();
  }
  for (const connection of [...held, late]) connection.destroy();
});

function assertProblem(answer: RawAnswer | undefined, status: number, code: string): void {
  assert.ok(answer !== undefined, 'no answer');
  const text = answer.body.toString('utf8');
  assert.equal(answer.status, status, text);
  assert.equal(answer.headers['content-type'], 'application/problem+json', text);
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  assert.equal(problemSchema.parse(JSON.parse(text)).code, code);
  assert.equal(new Set(answer.names).size, answer.names.length, 'a header is told twice');
}
