import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { until } from '../until.ts';
import { echoServer, openWorld, readAll, type World } from './guest-side.ts';
import { clientHello, encryptedHello, records, serverName } from './hello-bytes.ts';
import { filtered } from './judge-parts.ts';

const ZONE = {
  'good.example': ['203.0.113.1'],
  'front.example': ['203.0.113.1'],
  'other.example': ['203.0.113.2'],
  'rebound.example': ['10.0.0.5'],
  'metadata.example': ['169.254.169.254'],
};
const GOOD = records(clientHello(serverName('good.example')));
const ALERT = '\x15\x03\x03\x00\x02\x02\x31';

function last(world: World) {
  const decision = world.reported.at(-1);
  assert.ok(decision, 'nothing was reported');
  return decision;
}

async function sendTls(world: World, address: string, bytes: Uint8Array) {
  const socket = await world.connect(address, 443);
  socket.write(bytes);
  return await readAll(socket);
}

test('TLS to an allowed name reaches its server, byte for byte, and is told', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE);
  await world.serve('203.0.113.1:443', echoServer('good'));
  await world.resolve('good.example');
  const { text } = await sendTls(world, '203.0.113.1', GOOD);
  assert.equal(text, `good ${GOOD.toString('latin1')}`);
  const { target, allowed, rule, details } = last(world);
  assert.deepEqual(
    [target, allowed, rule],
    ['good.example:443/tcp', true, 'network.allow: good.example'],
  );
  assert.equal(details.by, 'name');
  const counters = world.proxy.counters();
  assert.equal(counters.connections, 1);
  assert.ok(counters.sentBytes >= GOOD.length && counters.receivedBytes >= GOOD.length);
});

test('upper case and a dot at the end are the same name', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE);
  await world.serve('203.0.113.1:443', echoServer('good'));
  for (const name of ['GOOD.Example', 'good.example.']) {
    const { text } = await sendTls(world, '203.0.113.1', records(clientHello(serverName(name))));
    assert.match(text, /^good /, name);
  }
});

const TLS_REFUSED: [title: string, address: string, hello: Uint8Array, reason: RegExp][] = [
  [
    'another name at the address of an allowed one (fronting)',
    '203.0.113.1',
    records(clientHello(serverName('front.example'))),
    /front\.example:443 is not allowed.*add `allow: \["front\.example"\]`/,
  ],
  [
    'an allowed name at the address of another',
    '203.0.113.2',
    GOOD,
    /203\.0\.113\.2 is no address of it/,
  ],
  ['no server name', '203.0.113.1', records(clientHello()), /no server \(SNI\): connect by name/],
  [
    'an encrypted hello behind an allowed name',
    '203.0.113.1',
    records(clientHello(serverName('good.example'), encryptedHello)),
    /encrypted \(ECH\)/,
  ],
  [
    'NUL in the name',
    '203.0.113.1',
    records(clientHello(serverName('good.example\0.evil.example'))),
    /not plain ASCII/,
  ],
  [
    'an address as name',
    '203.0.113.1',
    records(clientHello(serverName('203.0.113.9'))),
    /names 203\.0\.113\.9/,
  ],
  [
    'an odd address as name',
    '203.0.113.1',
    records(clientHello(serverName('0x7f.1'))),
    /not a host name/,
  ],
  [
    'two names',
    '203.0.113.1',
    records(clientHello(serverName('good.example'), serverName('x.example'))),
    /twice/,
  ],
];
for (const [title, address, hello, reason] of TLS_REFUSED) {
  test(`TLS refused: ${title}`, async () => {
    await using world = await openWorld(filtered(['good.example']), ZONE);
    await world.serve('203.0.113.1:443', echoServer('LEAK'));
    await world.serve('203.0.113.2:443', echoServer('LEAK'));
    await world.resolve('good.example');
    assert.equal((await sendTls(world, address, hello)).text, ALERT);
    assert.deepEqual(world.dialled, [], 'nothing was dialled');
    assert.equal(last(world).allowed, false);
    assert.match(last(world).reason, reason);
  });
}

test('rebinding: a name that leads to a private or metadata address goes nowhere', async () => {
  const zone = { ...ZONE };
  await using world = await openWorld(filtered(['rebound.example', 'metadata.example']), zone);
  for (const [name, address] of [
    ['rebound.example', '10.0.0.5'],
    ['metadata.example', '169.254.169.254'],
  ] as const) {
    await world.resolve(name);
    const { text } = await sendTls(world, address, records(clientHello(serverName(name))));
    assert.equal(text, ALERT);
    assert.match(last(world).reason, /leads to .* only a rule for the address allows that/);
  }
  assert.deepEqual(world.dialled, []);
});

test('a rule for a block holds by address, whatever is spoken; deny wins over it', async () => {
  await using world = await openWorld(filtered(['203.0.113.0/24:*'], ['203.0.113.2:*']), ZONE);
  for (const at of ['203.0.113.1:443', '203.0.113.2:443'])
    await world.serve(at, echoServer('there'));
  assert.match((await sendTls(world, '203.0.113.1', records(clientHello()))).text, /^there/);
  assert.equal((await sendTls(world, '203.0.113.2', GOOD)).text, ALERT);
  assert.equal(last(world).rule, 'network.deny: 203.0.113.2/32:*');
});

test('neither TLS nor HTTP: by the address that the resolver gave, and by no other', async () => {
  await using world = await openWorld(filtered(['good.example:5432']), ZONE);
  await world.serve('203.0.113.1:5432', echoServer('database'));
  const query = async (address: string) => {
    const socket = await world.connect(address, 5432);
    socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]));
    return await readAll(socket);
  };
  assert.ok((await query('203.0.113.1')).reset, 'not before the name was resolved');
  assert.match(last(world).reason, /no allowed name was resolved to it/);
  await world.resolve('good.example');
  assert.match((await query('203.0.113.1')).text, /^database/);
  assert.equal(last(world).details.by, 'address');
  assert.ok((await query('203.0.113.2')).reset);
});

test('a server that speaks first is heard; what the guest then says is looked at all the same', async () => {
  await using world = await openWorld(filtered(['good.example:22']), ZONE);
  const server = createServer((socket) => {
    socket.write('SSH-2.0-test\r\n');
    socket.on('data', (chunk) => socket.end(`got ${chunk.toString('latin1')}`));
  });
  await world.serve('203.0.113.1:22', server);
  await world.resolve('good.example');
  const socket = await world.connect('203.0.113.1', 22);
  const [banner] = (await once(socket, 'data')) as [Buffer];
  assert.equal(String(banner), 'SSH-2.0-test\r\n');
  socket.write('SSH-2.0-client\r\n');
  assert.equal((await readAll(socket)).text, 'got SSH-2.0-client\r\n');

  const front = await world.connect('203.0.113.1', 22);
  await once(front, 'data');
  front.write(records(clientHello(serverName('front.example'))));
  await readAll(front);
  assert.match(last(world).reason, /front\.example:22 is not allowed/);
});

test('a connection that was made before the request came, and is not wanted, is given back', async () => {
  await using world = await openWorld(filtered(['good.example:80']), ZONE, { dialledMost: 4 });
  await world.serve('203.0.113.1:80', hostServer('served'));
  await world.resolve('good.example');
  for (let count = 1; count <= 8; count++) {
    const before = world.dialled.length;
    const socket = await world.connect('203.0.113.1', 80);
    await until('dialled', () => world.dialled.length > before);
    socket.write('GET / HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n');
    assert.match((await readAll(socket)).text, /served GET/, `connection ${count}`);
  }
});

test('half-close passes both ways', async () => {
  await using world = await openWorld(filtered(['203.0.113.1/32:9']), ZONE);
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    const { text } = await readAll(socket);
    socket.end(`${text.length} bytes`);
  });
  await world.serve('203.0.113.1:9', server);
  const socket = await world.connect('203.0.113.1', 9);
  socket.end(Buffer.alloc(300_000, 1));
  assert.equal((await readAll(socket)).text, '300000 bytes');
});

test('what is transferred arrives whole, also to a reader that stops now and then', async () => {
  await using world = await openWorld(filtered(['203.0.113.1/32:9']), ZONE);
  const sent = Buffer.alloc(24 << 20);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  const server = createServer((socket) => void socket.once('data', () => socket.end(sent)));
  await world.serve('203.0.113.1:9', server);
  const socket = await world.connect('203.0.113.1', 9);
  socket.write('go\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (chunks.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
  }
  assert.ok(Buffer.concat(chunks).equals(sent));
});

test('a reset of one side is a reset of the other', async () => {
  await using world = await openWorld(filtered(['203.0.113.1/32:9']), ZONE);
  const server = createServer((socket) => {
    socket.once('data', () => socket.resetAndDestroy());
  });
  await world.serve('203.0.113.1:9', server);
  const socket = await world.connect('203.0.113.1', 9);
  socket.write('go\n');
  assert.ok((await readAll(socket)).reset);
});

test('a slow reader holds the server back: memory stays bounded', async () => {
  await using world = await openWorld(filtered(['203.0.113.1/32:9']), ZONE);
  let written = 0;
  const server = createServer((socket) => {
    const more = () => {
      while (written < 64 << 20 && socket.write(Buffer.alloc(65536))) written += 65536;
    };
    socket.on('drain', more);
    socket.once('data', more);
  });
  await world.serve('203.0.113.1:9', server);
  const socket = await world.connect('203.0.113.1', 9);
  socket.pause();
  socket.write('go\n');
  // Until nothing moves any more.
  for (let before = -1; before !== written || written === 0; ) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.ok(written > 0 && written < 48 << 20, `${written}`);
});

test('slow-loris: a hello that does not come to an end is refused in time', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE, { headMs: 2000 });
  const socket = await world.connect('203.0.113.1', 443);
  const drip = setInterval(() => socket.write(GOOD.subarray(0, 1)), 30);
  socket.write(GOOD.subarray(0, 20));
  await readAll(socket);
  clearInterval(drip);
  assert.match(last(world).reason, /in time|ClientHello|record|length|cut/);
  const silent = await world.connect('203.0.113.1', 443);
  assert.ok((await readAll(silent)).reset);
  assert.match(last(world).reason, /sent nothing/);
});

test('connections at once are limited, and the next is told why', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE, { headMs: 60_000 });
  for (let count = 0; count < 512; count++) await world.connect('203.0.113.1', 443);
  const beyond = await world.connect('203.0.113.1', 443);
  assert.ok((await readAll(beyond)).reset);
  assert.match(last(world).reason, /512 connections are open already/);
});

test('a live change ends what is no longer allowed, and allows what is', async () => {
  await using world = await openWorld(filtered(['good.example']), ZONE);
  const server = createServer((socket) => void socket.on('data', () => socket.write('pong')));
  await world.serve('203.0.113.1:443', server);
  const socket = await world.connect('203.0.113.1', 443);
  socket.write(GOOD);
  await once(socket, 'data');
  world.judge.update(filtered(['other.example']));
  world.proxy.recheck();
  assert.ok((await readAll(socket)).reset);
  assert.equal(last(world).allowed, false);
  assert.equal((await sendTls(world, '203.0.113.1', GOOD)).text, ALERT);
});

test('an undecided destination is asked about; a lookup of it never leaves before the yes', async () => {
  const questions: string[] = [];
  await using world = await openWorld(filtered([], ['evil.example:*']), ZONE, {
    ask: async ({ destination }) => {
      questions.push(destination);
      return { allow: destination.startsWith('good.') || destination.startsWith('203.0.113.2') };
    },
  });
  await world.serve('203.0.113.1:443', echoServer('good'));
  await world.serve('203.0.113.2:7', echoServer('seven'));
  assert.equal((await sendTls(world, '203.0.113.1', GOOD)).text, ALERT);
  assert.deepEqual(world.asked, [], 'no lookup for a name in a hello');
  await world.resolve('good.example');
  assert.match((await sendTls(world, '203.0.113.1', GOOD)).text, /^good/);
  const socket = await world.connect('203.0.113.2', 7);
  socket.write('x\n');
  assert.match((await readAll(socket)).text, /^seven/);
  assert.deepEqual(
    questions,
    ['good.example:*', '203.0.113.2:7'].map((each) => each.replace('2:7', '2/32:7')),
  );
});

function hostServer(mark: string) {
  return createHttpServer((request, response) => {
    response.end(`${mark} ${request.method} ${request.headers.host} ${request.url}\n`);
  });
}

async function sendHttp(world: World, text: string, address = '203.0.113.1') {
  const socket = await world.connect(address, 80);
  socket.write(text);
  return (await readAll(socket)).text;
}

test('HTTP: every request of a connection is held against the rules', async () => {
  await using world = await openWorld(filtered(['good.example:80']), ZONE);
  await world.serve('203.0.113.1:80', hostServer('served'));
  const first = 'GET /a HTTP/1.1\r\nHost: Good.Example\r\n\r\n';
  const second = 'GET /b HTTP/1.1\r\nHost: front.example\r\nConnection: close\r\n\r\n';
  const text = await sendHttp(world, first + second);
  assert.match(text, /served GET good\.example \/a/i);
  assert.ok(!text.includes('/b\n'), 'the second went nowhere');
  assert.match(text, /421/);
  assert.match(last(world).reason, /request on it for "front\.example"/);
});

const HTTP_REFUSED: [title: string, request: string][] = [
  ['another host', 'GET / HTTP/1.1\r\nHost: front.example\r\n\r\n'],
  ['no host', 'GET / HTTP/1.0\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: good.example\r\nHost: front.example\r\n\r\n'],
  [
    'a URL that says another host',
    'GET http://front.example/ HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n',
  ],
  [
    'another port in Host',
    'GET / HTTP/1.1\r\nHost: good.example:8080\r\nConnection: close\r\n\r\n',
  ],
  ['CONNECT', 'CONNECT front.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n'],
  ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['NUL in Host', 'GET / HTTP/1.1\r\nHost: good.example\0.front.example\r\n\r\n'],
  [
    'two lengths (smuggling)',
    'POST / HTTP/1.1\r\nHost: good.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : good.example\r\n\r\n'],
  ['a folded Host', 'GET / HTTP/1.1\r\nHost: good.example\r\n front.example\r\n\r\n'],
  ['line ends before another host', '\r\n\r\nGET / HTTP/1.1\r\nHost: front.example\r\n\r\n'],
  [
    'a PROXY header',
    'PROXY TCP4 1.1.1.1 2.2.2.2 1 80\r\nGET / HTTP/1.1\r\nHost: front.example\r\n\r\n',
  ],
];
for (const [title, request] of HTTP_REFUSED) {
  test(`HTTP refused: ${title}`, async () => {
    await using world = await openWorld(filtered(['good.example:80']), ZONE);
    let reached = '';
    const server = createServer((socket) => {
      socket.on('data', (chunk) => {
        reached += chunk;
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nLEAK');
      });
    });
    await world.serve('203.0.113.1:80', server);
    await world.resolve('good.example');
    const text = await sendHttp(world, request);
    assert.equal(reached, '', 'not a byte reached the server');
    assert.ok(!text.includes('LEAK'));
    assert.equal(last(world).allowed, false, JSON.stringify(world.reported));
  });
}

test('the answer to a refused request says what to ask for', async () => {
  await using world = await openWorld(filtered([]), ZONE);
  const text = await sendHttp(world, 'GET / HTTP/1.1\r\nHost: good.example\r\n\r\n');
  assert.match(text, /^HTTP\/1\.1 403 Forbidden/);
  assert.match(text, /good\.example:80 is not allowed/);
});

test('rules on methods and paths hold without interception in clear text', async () => {
  const rule = {
    host: 'good.example',
    ports: [{ from: 80, to: 80 }],
    protocol: 'tcp' as const,
    http: [{ methods: ['GET'], path: '/open', prefix: true }],
  };
  await using world = await openWorld(filtered([rule]), ZONE);
  await world.serve('203.0.113.1:80', hostServer('served'));
  const head = (line: string) =>
    `${line} HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n`;
  assert.match(
    await sendHttp(world, head('GET /open/a%20b?x')),
    /served GET good\.example \/open\/a%20b\?x/,
  );
  assert.match(await sendHttp(world, head('POST /open/a')), /403/);
  assert.match(await sendHttp(world, head('GET /open/../shut')), /403|400/);
  assert.match(await sendHttp(world, head('GET /shut')), /403/);
});

for (const [title, head] of [
  ['CONNECT', 'CONNECT good.example:80 HTTP/1.1\r\nHost: good.example\r\n\r\n'],
  [
    'an upgrade that is refused',
    'GET / HTTP/1.1\r\nHost: other.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  [
    'an upgrade that the server does not make',
    'GET / HTTP/1.1\r\nHost: good.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
] as const) {
  test(`a connection is closed though nobody reads what comes behind ${title}`, async () => {
    await using world = await openWorld(filtered(['good.example:80']), ZONE);
    const server = createHttpServer((_request, response) => response.end('plain'));
    await world.serve('203.0.113.1:80', server);
    await world.resolve('good.example');
    const socket = await world.connect('203.0.113.1', 80);
    // On a connection that is for an allowed name: the first request says which.
    socket.write(`GET / HTTP/1.1\r\nHost: good.example\r\n\r\n`);
    await once(socket, 'data');
    socket.write(`${head}more`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 (200|400|421) /);
    socket.write('and more');
    socket.destroy();
    await until('no connection is open', () => world.proxy.counters().openConnections === 0);
  });
}
