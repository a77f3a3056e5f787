/** Ordinary programs through the interceptor: they notice nothing but the certificate. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect as connectHttp2, type Http2ServerResponse } from 'node:http2';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Request, type Response, run, Stand } from './stand.ts';

const has = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;
const noCurl = has('curl', '--version') ? false : 'curl is not installed';
const noPython = has('python3', '--version') ? false : 'python3 is not installed';
const noRequests = has('python3', '-c', 'import requests')
  ? false
  : 'python3-requests is not installed';

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

async function bodyOf(request: Request): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Says what it got: version, method, target, and digest of the body. */
function mirror(request: Request, response: Response): void {
  void bodyOf(request).then((body) => {
    (response as ServerResponse).end(
      `${request.httpVersion} ${request.method} ${request.url} ${body.length} ${digest(body)}`,
    );
  });
}

for (const server of ['1.1', '2'] as const) {
  for (const guest of ['1.1', '2'] as const) {
    describe(`guest HTTP/${guest}, server HTTP/${server}`, () => {
      const flag = `--http${guest}`;
      const open = (serve = mirror) => Stand.open({ http2: server === '2', serve });

      test('GET, HEAD, POST and a large PUT arrive as they were sent', {
        skip: noCurl,
      }, async () => {
        await using stand = await open();
        const upload = randomBytes(5_000_000);
        const file = join(stand.directory, 'upload');
        writeFileSync(file, upload);
        assert.match((await stand.curl('/a?b=c', flag)).body, /GET \/a\?b=c 0 /);
        assert.equal((await stand.curl('/head', flag, '-I')).status, 200);
        assert.match((await stand.curl('/p', flag, '-d', 'x=1')).body, /POST \/p 3 /);
        assert.match((await stand.curl('/e', flag, '-X', 'POST')).body, /POST \/e 0 /);
        const put = await stand.curl('/big', flag, '-T', file);
        assert.ok(put.body.endsWith(`PUT /big 5000000 ${digest(upload)}`), put.body + put.stderr);
        const chunked = ['-H', 'Transfer-Encoding: chunked', '-H', 'Content-Length:'];
        const stream = await stand.curl(
          '/c',
          flag,
          ...(guest === '1.1' ? chunked : []),
          '-T',
          file,
        );
        assert.ok(stream.body.endsWith(digest(upload)), stream.body + stream.stderr);
        assert.deepEqual(stand.refusals, []);
        assert.equal(stand.decisions.length, 6);
      });

      test('a large answer, and one whose end is not announced', { skip: noCurl }, async () => {
        const content = randomBytes(8_000_000);
        await using stand = await open((request, response) => {
          if (request.url === '/large')
            (response as ServerResponse).setHeader('content-length', content.length);
          (response as ServerResponse).write(content.subarray(0, 100));
          (response as ServerResponse).end(content.subarray(100));
        });
        for (const path of ['/large', '/streamed']) {
          const file = join(stand.directory, 'download');
          const ran = await stand.curl(path, flag, '-o', file);
          assert.equal(ran.code, 0, ran.stderr);
          assert.equal(digest(readFileSync(file)), digest(content));
        }
      });

      test('half an answer is not taken for a whole one', { skip: noCurl }, async () => {
        await using stand = await open((_request, response) => {
          (response as ServerResponse).write('half');
          setTimeout(() => {
            if ('stream' in response) (response as Http2ServerResponse).stream.close(2);
            else (response as ServerResponse).destroy();
          }, 50);
        });
        const ran = await stand.curl('/', flag);
        assert.notEqual(ran.code, 0);
        assert.equal(ran.body, 'half');
      });

      test('a redirect is an answer like any other', { skip: noCurl }, async () => {
        await using stand = await open((_request, response) => {
          (response as ServerResponse)
            .writeHead(302, { location: 'https://elsewhere.test/' })
            .end();
        });
        const ran = await stand.curl('/', flag);
        assert.equal(ran.status, 302);
        assert.equal(stand.dials, 1);
      });
    });
  }
}

test('clear text: the same checks, without TLS', { skip: noCurl }, async () => {
  await using stand = await Stand.open({ speaks: 'http', serve: mirror });
  assert.match((await stand.curl('/a')).body, /GET \/a 0/);
  // Asking for h2c would carry requests past the checks: it is an ordinary request.
  assert.match((await stand.curl('/b', '--http2')).body, /1\.1 GET \/b 0/);
  assert.equal(stand.seen.at(-1)?.headers.upgrade, undefined);
  assert.deepEqual(stand.refusals, []);
});

test('100-continue comes from the server, and a refusal comes before the body', {
  skip: noCurl,
}, async () => {
  await using stand = await Stand.open({
    serve: mirror,
    decide: ({ path }) => ({ allowed: path === '/ok', rule: 'network.allow', reason: 'no rule' }),
  });
  const args = [
    '--http1.1',
    '--expect100-timeout',
    '15',
    '-H',
    'Expect: 100-continue',
    '-d',
    'body',
    '-v',
  ];
  const allowed = await stand.curl('/ok', ...args);
  assert.match(allowed.stderr, /< HTTP\/1.1 100 Continue/);
  assert.match(allowed.body, /POST \/ok 4/);
  const refused = await stand.curl('/no', ...args);
  assert.equal(refused.status, 403);
  assert.doesNotMatch(refused.stderr, /100 Continue/);
});

test('trailers go through both ways (gRPC needs them)', async () => {
  await using stand = await Stand.open({
    http2: true,
    serve: (request, response) => {
      request.resume().on('end', () => {
        (response as Http2ServerResponse).addTrailers({
          'grpc-status': '0',
          saw: String(request.trailers.sent),
        });
        (response as Http2ServerResponse).end('body');
      });
    },
  });
  const socket = connectTls({
    port: stand.port,
    host: '127.0.0.1',
    servername: stand.name,
    ca: stand.authorityPem,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  const session = connectHttp2(`https://${stand.name}:${stand.port}`, {
    createConnection: () => socket,
  });
  const stream = session.request(
    { ':method': 'POST', ':path': '/rpc', te: 'trailers' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ sent: 'yes' }));
  stream.resume().end('x');
  const [trailers] = (await once(stream, 'trailers')) as [Record<string, string>];
  assert.equal(trailers['grpc-status'], '0');
  assert.equal(trailers.saw, 'yes');
  session.destroy();
});

test('an event stream arrives event by event', async () => {
  let more: (() => void) | undefined;
  await using stand = await Stand.open({
    serve: (_request, response) => {
      (response as ServerResponse).writeHead(200, { 'content-type': 'text/event-stream' });
      (response as ServerResponse).write('data: 1\n\n');
      more = () => (response as ServerResponse).end('data: 2\n\n');
    },
  });
  const socket = connectTls({
    port: stand.port,
    host: '127.0.0.1',
    servername: stand.name,
    ca: stand.authorityPem,
  });
  socket.write(`GET / HTTP/1.1\r\nHost: ${stand.name}:${stand.port}\r\n\r\n`);
  let text = '';
  for await (const piece of socket) {
    text += String(piece);
    if (text.includes('data: 1')) more?.();
    if (text.includes('data: 2')) break;
  }
  assert.match(text, /data: 2/);
});

test('a slow reader holds the server up: nothing is piled up in between', async () => {
  let written = 0;
  const piece = Buffer.alloc(65_536);
  await using stand = await Stand.open({
    serve: (_request, response) => {
      const push = () => {
        while (written < 200_000_000 && !response.destroyed) {
          written += piece.length;
          if (!(response as ServerResponse).write(piece)) return void response.once('drain', push);
        }
      };
      push();
    },
  });
  const socket = connectTls({
    port: stand.port,
    host: '127.0.0.1',
    servername: stand.name,
    ca: stand.authorityPem,
  });
  socket.pause();
  socket.write(`GET / HTTP/1.1\r\nHost: ${stand.name}:${stand.port}\r\n\r\n`);
  // Until nothing moves any more.
  for (let before = -1; before !== written || written === 0; ) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  assert.ok(written < 60_000_000, `${written} bytes were taken from the server`);
  socket.destroy();
});

test('WebSocket: 101 and then bytes both ways', async () => {
  const warnings: string[] = [];
  const warned = ({ message }: Error) => warnings.push(message);
  process.on('warning', warned);
  await using stand = await Stand.open({
    upgrade: (_request, socket) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
      );
      socket.on('data', (bytes) => socket.write(`echo ${bytes}`));
    },
    decide: ({ method, path }) => ({
      allowed: method === 'GET' && path === '/ws',
      rule: 'network.allow',
      reason: 'no rule',
    }),
  });
  const ask = (path: string) => {
    const socket = connectTls({
      port: stand.port,
      host: '127.0.0.1',
      servername: stand.name,
      ca: stand.authorityPem,
    });
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${stand.name}:${stand.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    return socket;
  };
  const socket = ask('/ws');
  let text = '';
  for await (const piece of socket) {
    text += String(piece);
    if (text.endsWith('\r\n\r\n')) socket.write('hello');
    if (text.includes('echo hello')) break;
  }
  assert.match(text, /^HTTP\/1\.1 101 /);
  const [refusal] = (await once(ask('/other'), 'data')) as [Buffer];
  assert.match(String(refusal), /^HTTP\/1\.1 403 /);
  process.off('warning', warned);
  assert.deepEqual(warnings, []);
});

test('Node fetch', async () => {
  await using stand = await Stand.open({ serve: mirror });
  // The name is sent to loopback by the program itself: fetch knows no --resolve.
  const program = `
    const dns = require('node:dns');
    dns.lookup = (host, options, callback) => callback(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4);
    fetch(process.argv[1], { method: 'POST', body: 'abc' }).then((r) => r.text()).then(console.log);`;
  const env = { NODE_EXTRA_CA_CERTS: stand.bundle };
  const ran = await run(process.execPath, ['-e', program, stand.url('/fetch')], { env });
  assert.match(ran.stdout, /POST \/fetch 3/, ran.stderr);
});

const toLoopback = `
import socket, sys
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: real('127.0.0.1', *rest, **named)
`;

test('Python urllib', { skip: noPython }, async () => {
  await using stand = await Stand.open({ serve: mirror });
  const program = `${toLoopback}
import urllib.request
print(urllib.request.urlopen(sys.argv[1], data=b'abc').read().decode())`;
  const env = { SSL_CERT_FILE: stand.bundle };
  const ran = await run('python3', ['-c', program, stand.url('/urllib')], { env });
  assert.match(ran.stdout, /POST \/urllib 3/, ran.stderr);
});

test('Python requests', { skip: noRequests }, async () => {
  await using stand = await Stand.open({ serve: mirror });
  const program = `${toLoopback}
import requests
session = requests.Session()
for _ in range(3): print(session.post(sys.argv[1], data=b'abc').text)`;
  const env = { REQUESTS_CA_BUNDLE: stand.bundle };
  const ran = await run('python3', ['-c', program, stand.url('/requests')], { env });
  assert.equal(ran.stdout.match(/POST \/requests 3/g)?.length, 3, ran.stderr);
  assert.equal(stand.dials, 1);
});

for (const protocol of ['http/1.1', 'h2'] as const) {
  test(`a guest that goes away takes its request at the server with it (${protocol})`, async () => {
    const gone = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    await using stand = await Stand.open({
      http2: protocol === 'h2',
      serve: (_request, response) => {
        (response as ServerResponse).write('begun');
        response.once('close', () => gone.resolve());
        began.resolve();
      },
    });
    const { port, name, authorityPem: ca } = stand;
    const options = { port, host: '127.0.0.1', servername: name, ca, ALPNProtocols: [protocol] };
    const socket = connectTls(options);
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    if (protocol === 'h2') {
      const session = connectHttp2(`https://${name}:${port}`, { createConnection: () => socket });
      session.on('error', () => {});
      const stream = session.request({ ':path': '/' });
      await once(stream, 'response');
      // The connection stays; the stream alone ends.
      stream.close(8);
      await gone.promise;
      assert.ok(!session.destroyed);
      session.destroy();
    } else {
      socket.write(`GET / HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\n`);
      await began.promise;
      socket.destroy();
      await gone.promise;
    }
  });
}
