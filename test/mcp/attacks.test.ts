/**
 * A client over HTTP that means harm to others: their sessions, their answers, their room. What counts is what the others
 * can still do, and what is left on the host.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request as overTls } from 'node:https';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ElicitResult } from '@modelcontextprotocol/sdk/types.js';
import { HttpServer } from '../../src/mcp/http/serve-http.ts';
import { makePlace, type Place } from '../cli/caisson.ts';
import { running } from '../processes.ts';
import { until } from '../until.ts';
import { type HttpProcess, initialize, startHttp } from './http/http-process.ts';
import { selfSigned } from './http/self-signed.ts';
import { connectMcp } from './mcp-client.ts';

const ANN = randomBytes(32).toString('base64url');
const EVE = randomBytes(32).toString('base64url');
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function withTokens(place: Place, args: readonly string[] = []): Promise<HttpProcess> {
  const file = join(place.work, 'tokens');
  writeFileSync(file, `ann ${ANN}\neve ${EVE}\n`, { mode: 0o600 });
  return await startHttp(place, ['--token-file', file, ...args]);
}

/** Whether a process of this machine has these words as its command line. */
function runs(...words: readonly string[]): boolean {
  return running(...words).length > 0;
}

const ownWord = () => `${40 + Math.random()}`;

/** A request whose body is not sent to its end. */
function dripping(url: string, token: string, body: Buffer, length: number): Socket {
  const { hostname, port, host } = new URL(url);
  const socket = createConnection(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(
    [
      'POST /mcp HTTP/1.1',
      `Host: ${host}`,
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      `Content-Length: ${length}`,
      '',
      '',
    ].join('\r\n'),
  );
  socket.write(body);
  return socket;
}

test('a client that leaves in the middle of a run leaves no guest; what it kept stays its own', async () => {
  using place = makePlace();
  await using http = await withTokens(place);
  const mcp = await connectMcp(http.url, bearer(ANN));
  const { sessionId } = mcp;
  const sandbox = await mcp.open();
  const [inKept, inOwn] = [ownWord(), ownWord()];
  for (const where of [{ argv: ['sleep', inKept], sandbox }, { argv: ['sleep', inOwn] }]) {
    mcp.call('run_command', where).catch(() => {});
  }
  await until('both run', () => runs('sleep', inKept) && runs('sleep', inOwn));
  // Its connections end, and it says nothing: as a process that was killed.
  await mcp[Symbol.asyncDispose]();
  await until('neither runs', () => !runs('sleep', inKept) && !runs('sleep', inOwn));
  const read = { name: 'list_sandboxes', arguments: {} };
  const { status, text } = await http.send({
    headers: { ...bearer(ANN), 'mcp-session-id': sessionId },
    body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: read }),
  });
  assert.equal(status, 200);
  assert.match(text, new RegExp(sandbox), 'its session is there, with the sandbox');
});

test('nobody else answers the question that is put to a person', async () => {
  using place = makePlace();
  await using http = await withTokens(place, ['--ask']);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<ElicitResult>();
  await using ann = await connectMcp(http.url, bearer(ANN), () => {
    asked.resolve();
    return answer.promise;
  });
  await using eve = await connectMcp(http.url, bearer(EVE));
  const sandbox = await ann.open();
  const request = { sandbox, host: 'pypi.org', reason: 'a package' };
  const decided = ann.call('request_network', request);
  await asked.promise;

  const yes = { action: 'accept', content: { decision: 'allow' } };
  for (let id = 0; id < 8; id++) {
    const body = JSON.stringify({ jsonrpc: '2.0', id, result: yes });
    const stolen = { ...bearer(EVE), 'mcp-session-id': ann.sessionId };
    assert.equal((await http.send({ headers: stolen, body })).status, 404);
    const own = { ...bearer(EVE), 'mcp-session-id': eve.sessionId };
    assert.equal((await http.send({ headers: own, body })).status, 202);
    const none = { 'mcp-session-id': ann.sessionId };
    assert.equal((await http.send({ headers: none, body })).status, 401);
  }
  assert.equal(await Promise.race([decided, sleep(300).then(() => 'open')]), 'open');
  answer.resolve({ action: 'decline' });
  assert.equal((await decided).structured.granted, false);
});

test('a flood of sessions takes its own subject’s room alone, and never one that holds something', async () => {
  using place = makePlace();
  await using http = await withTokens(place);
  await using ann = await connectMcp(http.url, bearer(ANN));
  await using held = await connectMcp(http.url, bearer(EVE));
  const sandbox = await held.open();
  const begin = async (): Promise<number> =>
    (await http.send({ headers: bearer(EVE), body: initialize })).status;
  // Each is left behind at once, as by a client that crashed: the oldest one makes room.
  for (let count = 0; count < 40; count++) assert.equal(await begin(), 200, `${count}`);
  assert.equal((await ann.call('run_command', { argv: ['true'] })).structured.exit_code, 0);
  assert.match((await held.call('list_sandboxes')).text, new RegExp(sandbox));
  // Those that hold a sandbox are not taken: at 16 it ends.
  const full: Awaited<ReturnType<typeof connectMcp>>[] = [];
  let refused = 0;
  for (let count = 0; count < 16; count++) {
    try {
      const mcp = await connectMcp(http.url, bearer(EVE));
      full.push(mcp);
      await mcp.open();
    } catch {
      refused++;
    }
  }
  assert.equal(full.length, 15);
  assert.equal(refused, 1);
  await using another = await connectMcp(http.url, bearer(ANN));
  assert.equal((await another.call('run_command', { argv: ['true'] })).structured.exit_code, 0);
  for (const mcp of full) await mcp[Symbol.asyncDispose]();
});

test('long messages that never end take no room of others, nor of short ones', async () => {
  using place = makePlace();
  await using http = await withTokens(place);
  await using eve = await connectMcp(http.url, bearer(EVE));
  await using ann = await connectMcp(http.url, bearer(ANN));
  const piece = Buffer.alloc(3 * 1024 * 1024, 0x20);
  const sockets = Array.from({ length: 24 }, () =>
    dripping(http.url, EVE, piece, piece.length + 1024),
  );
  const answers = sockets.map(async (socket) => {
    const [data] = (await once(socket, 'data')) as [Buffer];
    return data.toString().slice(0, 12);
  });
  const first = await Promise.race(answers);
  assert.equal(first, 'HTTP/1.1 429', 'what does not fit is refused, and not waited for');
  let answered = 0;
  for (const each of answers) each.then(() => answered++).catch(() => {});
  await until('six are held at most', () => answered >= sockets.length - 6);
  for (const mcp of [eve, ann]) {
    const { structured } = await mcp.call('run_command', { argv: ['true'] });
    assert.equal(structured.exit_code, 0);
  }
  const long = { argv: ['true'], stdin: 'x'.repeat(900_000) };
  assert.equal((await ann.call('run_command', long)).structured.exit_code, 0);
  for (const socket of sockets) socket.destroy();
  // And the room is there again.
  await until('eve sends a long one', async () => !(await eve.call('run_command', long)).isError);
});

test('a message that comes byte by byte is not waited for', async () => {
  await using server = await HttpServer.listen({
    // Nothing of it is asked for before a session begins.
    setup: { limits: { idleMs: 60_000 } } as never,
    address: { host: '127.0.0.1', port: 0, isLoopback: true },
    requestMs: 500,
  });
  const { hostname, port } = new URL(server.url);
  for (const start of [
    `POST /mcp HTTP/1.1\r\nHost: ${hostname}:${port}\r\nX-Slow: `,
    `POST /mcp HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
  ]) {
    const socket = createConnection(Number(port), hostname);
    // A byte that was on its way when the server closed is an error before it is the end, which once() would take for one.
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.write(start);
    const drip = setInterval(() => socket.write(' '), 100);
    await closed;
    clearInterval(drip);
  }
});

test('beyond loopback it starts with TLS alone, and then speaks nothing else', async () => {
  using place = makePlace();
  const { cert, key } = await selfSigned();
  const file = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(place.work, name), text, { mode });
    return join(place.work, name);
  };
  const tokens = ['--token-file', file('tokens', `ann ${ANN}\n`)];
  const pair = ['--tls-cert', file('cert.pem', cert), '--tls-key', file('key.pem', key)];
  const open = file('open.pem', key, 0o644);
  const refused: [string[], number, RegExp][] = [
    [['--http', '0.0.0.0:0', ...tokens], 78, /tokens too, could be read on its way/],
    [['--http', '[::]:0', ...tokens], 78, /could be read on its way/],
    [['--http', '0.0.0.0:0', ...pair], 78, /there is no token/],
    [['--http', '0.0.0.0:0', '--insecure'], 78, /there is no token/],
    [['--http', '127.0.0.1:0', ...pair.slice(0, 2)], 64, /a certificate and its key/],
    [['--http', '127.0.0.1:0', '--tls-cert', pair[1] ?? '', '--tls-key', open], 78, /by others/],
    [
      ['--http', '127.0.0.1:0', '--tls-cert', tokens[1] ?? '', '--tls-key', pair[3] ?? ''],
      78,
      /TLS/,
    ],
    [['--insecure'], 64, /is for --http/],
  ];
  for (const [args, status, message] of refused) {
    const ran = place.caisson(['mcp', ...args]);
    assert.equal(ran.status, status, args.join(' '));
    assert.match(ran.stderr, message);
    assert.ok(!ran.stderr.includes(ANN));
  }

  await using http = await startHttp(place, [...tokens, ...pair]);
  assert.match(http.url, /^https:\/\/127\.0\.0\.1:\d+\/mcp$/);
  const send = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = overTls(
        http.url,
        {
          method: 'POST',
          ca: cert,
          // Of the certificate, whatever Host the request says.
          checkServerIdentity: () => undefined,
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...headers,
          },
        },
        (answer) => {
          resolve(answer.statusCode ?? 0);
          sent.destroy();
        },
      );
      sent.on('error', reject);
      sent.end(initialize);
    });
  assert.equal(await send(bearer(ANN)), 200);
  assert.equal(await send({}), 401);
  assert.equal(await send({ ...bearer(ANN), host: 'evil.example' }), 403);
  await assert.rejects(http.send({ headers: bearer(ANN), body: initialize }), 'no plain HTTP');

  await using proxied = await startHttp(place, [...tokens, '--http', '0.0.0.0:0', '--insecure']);
  assert.match(proxied.url, /^http:\/\/0\.0\.0\.0/);
});
