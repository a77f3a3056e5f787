/** `caisson mcp --http`: sessions, whose they are, and who is not let in. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePlace, type Place } from '../../cli/caisson.ts';
import { until } from '../../until.ts';
import { connectMcp, withoutPython } from '../mcp-client.ts';
import { type HttpProcess, initialize, startHttp } from './http-process.ts';

const ANN = randomBytes(32).toString('base64url');
const BOB = randomBytes(32).toString('base64url');
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} });

function withTokens(place: Place): string {
  const file = join(place.work, 'tokens');
  writeFileSync(file, `# who may\nann ${ANN}\nbob ${BOB}\n`, { mode: 0o600 });
  return file;
}

/** Lines of /proc/PID/cmdline of everything below a process that names this. */
function guestsOf(pid: number | undefined, word: string): number {
  const { stdout } = spawnSync('ps', ['-eo', 'pid,ppid,args', '--no-headers'], {
    encoding: 'utf8',
  });
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  const below = new Set([String(pid)]);
  for (let size = 0; size !== below.size; ) {
    size = below.size;
    for (const [own = '', parent = ''] of rows) if (below.has(parent)) below.add(own);
  }
  return rows.filter(([own = '', , ...args]) => below.has(own) && args.join(' ').includes(word))
    .length;
}

describe('with tokens', () => {
  let place: Place;
  let http: HttpProcess;
  before(async () => {
    place = makePlace();
    http = await startHttp(place, ['--token-file', withTokens(place)]);
  });
  after(async () => {
    await http[Symbol.asyncDispose]();
    place[Symbol.dispose]();
  });

  test('the SDK’s client runs Python in a kept sandbox', { skip: withoutPython }, async () => {
    await using mcp = await connectMcp(http.url, bearer(ANN));
    assert.match(mcp.sessionId, /^[\w-]{43}$/);
    const sandbox = await mcp.open();
    const code = 'import os; open("/tmp/n", "a").write("x"); print(os.path.getsize("/tmp/n"))';
    for (const size of [1, 2]) {
      const { structured } = await mcp.call('run_code', { language: 'python', code, sandbox });
      assert.equal(structured.stdout.text, `${size}\n`);
    }
  });

  test('without a token, or with another, nobody comes in; nothing tells what is there', async () => {
    const wrong: Record<string, string>[] = [
      {},
      bearer(randomBytes(32).toString('base64url')),
      bearer(ANN.slice(0, -1)),
      bearer(''),
      { authorization: `Basic ${ANN}` },
      { authorization: ANN },
      { 'x-api-key': ANN },
    ];
    for (const headers of wrong) {
      const reply = await http.send({ headers, body: initialize });
      assert.equal(reply.status, 401, JSON.stringify(headers));
      assert.match(String(reply.headers['www-authenticate']), /^Bearer/);
      assert.equal(reply.headers['mcp-session-id'], undefined);
      assert.ok(!reply.text.includes(ANN));
      const elsewhere = await http.send({ headers, path: '/nothing', body: initialize });
      assert.equal(elsewhere.status, 401);
    }
    const twice = { authorization: [`Bearer ${BOB}`, `Bearer ${ANN}`] };
    assert.equal((await http.send({ headers: twice, body: initialize })).status, 403);
  });

  test('another origin or host is refused, whatever the token', async () => {
    const { host, port } = new URL(http.url);
    const wrong = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://${host}` },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
      { host: `evil.example:${port}` },
      { host: '127.0.0.1' },
      { host: `127.0.0.1:${port}@evil.example` },
    ];
    for (const headers of wrong) {
      const reply = await http.send({ headers: { ...bearer(ANN), ...headers }, body: initialize });
      assert.equal(reply.status, 403, JSON.stringify(headers));
      assert.equal(reply.headers['access-control-allow-origin'], undefined);
    }
    const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'POST' };
    assert.equal((await http.send({ method: 'OPTIONS', headers: preflight })).status, 403);
    for (const name of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      const reply = await http.send({ headers: { ...bearer(ANN), host: name }, body: initialize });
      assert.equal(reply.status, 200, name);
    }
  });

  test('another’s session is not there, by its id, to look at or to end', async () => {
    await using ann = await connectMcp(http.url, bearer(ANN));
    await using bob = await connectMcp(http.url, bearer(BOB));
    const sandbox = await ann.open();
    await ann.call('write_file', { sandbox, path: '/tmp/mine', content: 'ann' });
    const stolen = { ...bearer(BOB), 'mcp-session-id': ann.sessionId };
    const read = JSON.stringify({
      jsonrpc: '2.0',
      id: 3,
      method: 'tools/call',
      params: { name: 'read_file', arguments: { sandbox, path: '/tmp/mine' } },
    });
    for (const method of ['POST', 'GET', 'DELETE']) {
      const reply = await http.send({
        method,
        headers: stolen,
        ...(method === 'POST' ? { body: read } : {}),
      });
      const unknown = await http.send({
        method,
        headers: { ...bearer(BOB), 'mcp-session-id': randomBytes(32).toString('base64url') },
        ...(method === 'POST' ? { body: read } : {}),
      });
      assert.equal(reply.status, 404, method);
      assert.deepEqual([unknown.status, unknown.text], [reply.status, reply.text]);
    }
    // Names of sandboxes are those of a session.
    const own = await bob.call('read_file', { sandbox, path: '/tmp/mine' });
    assert.equal(own.structured.error.code, 'NOT_FOUND');
    const still = await ann.call('read_file', { sandbox, path: '/tmp/mine' });
    assert.equal(still.structured.content, 'ann');
  });

  test('what is no message is refused with its status, and the server goes on', async () => {
    const headers = bearer(ANN);
    const cases: [number, Parameters<HttpProcess['send']>[0]][] = [
      [404, { path: '/', headers, body: initialize }],
      [404, { path: '/mcp/../mcp', headers, body: initialize }],
      [405, { method: 'PUT', headers, body: initialize }],
      [415, { headers: { ...headers, 'content-type': 'text/plain' }, body: initialize }],
      [400, { headers, body: '{' }],
      [400, { headers, body: list }],
      [400, { headers, body: `[${initialize},${initialize}]` }],
      [400, { headers, body: '['.repeat(100_000) }],
      [413, { headers, body: Buffer.alloc(5 * 1024 * 1024, 0x20) }],
      [413, { headers: { ...headers, 'content-length': '99999999999' } }],
      [
        413,
        {
          headers: { ...headers, 'transfer-encoding': 'chunked' },
          body: Buffer.alloc(5 * 1024 * 1024, 0x20),
        },
      ],
      [404, { headers: { ...headers, 'mcp-session-id': '../../etc/passwd' }, body: list }],
      [404, { headers: { ...headers, 'mcp-session-id': '__proto__' }, body: list }],
      [400, { method: 'GET', headers }],
      [406, { headers: { ...headers, accept: 'text/html' }, body: initialize }],
    ];
    for (const [status, sent] of cases) {
      const reply = await http.send(sent);
      assert.equal(reply.status, status, `${JSON.stringify(sent).slice(0, 200)}: ${reply.text}`);
      assert.equal(reply.headers['cache-control']?.includes('no-'), true);
    }
    const good = await http.send({ headers, body: initialize });
    assert.equal(good.status, 200);
  });

  test('a head that never ends is not waited for', async () => {
    const { hostname, port } = new URL(http.url);
    const socket = createConnection(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`POST /mcp HTTP/1.1\r\nHost: ${hostname}:${port}\r\nX: ${'x'.repeat(20_000)}`);
    const [data] = (await once(socket, 'data')) as [Buffer];
    assert.match(data.toString(), /^HTTP\/1\.1 431 /);
    socket.destroy();
  });
});

test('a person is asked over HTTP too, and each by their own client', async () => {
  using place = makePlace();
  await using http = await startHttp(place, ['--ask', '--token-file', withTokens(place)]);
  const questions: string[] = [];
  await using ann = await connectMcp(http.url, bearer(ANN), (message) => {
    questions.push(`ann: ${message.split('\n')[0]}`);
    return { action: 'accept', content: { decision: 'allow' } };
  });
  await using bob = await connectMcp(http.url, bearer(BOB), (message) => {
    questions.push(`bob: ${message.split('\n')[0]}`);
    return { action: 'decline' };
  });
  const ask = async (mcp: typeof ann) => {
    const request = { sandbox: await mcp.open(), host: 'pypi.org', reason: 'a package' };
    return (await mcp.call('request_network', request)).structured;
  };
  const [yes, no] = await Promise.all([ask(ann), ask(bob)]);
  assert.deepEqual([yes.granted, yes.decided_by], [true, 'person']);
  assert.deepEqual([no.granted, no.decided_by], [false, 'person']);
  assert.deepEqual(questions.sort(), [
    'ann: Code in sandbox-1 wants to connect to pypi.org:443.',
    'bob: Code in sandbox-1 wants to connect to pypi.org:443.',
  ]);
  const granted = async (mcp: typeof ann) =>
    (await mcp.call('list_sandboxes')).structured.sandboxes[0].granted;
  assert.deepEqual([await granted(ann), await granted(bob)], [['pypi.org'], []]);
});

test('a session that its client ends, and a server that is told to stop, leave no guest', async () => {
  using place = makePlace();
  await using http = await startHttp(place);
  const start = async () => {
    const mcp = await connectMcp(http.url);
    const sandbox = await mcp.open();
    await mcp.call('run_command', {
      sandbox,
      command: 'setsid sleep 8881 >/dev/null 2>&1 & echo on',
    });
    return mcp;
  };
  const first = await start();
  assert.equal(guestsOf(http.child.pid, 'sleep 8881'), 1);
  await first.end();
  assert.equal(guestsOf(http.child.pid, 'sleep 8881'), 0);
  await first[Symbol.asyncDispose]();
  const after = await http.send({ headers: { 'mcp-session-id': first.sessionId }, body: list });
  assert.equal(after.status, 404);

  const second = await start();
  const launchers = guestsOf(http.child.pid, 'caisson-launcher');
  assert.ok(launchers > 0);
  http.child.kill('SIGTERM');
  const [code] = await once(http.child, 'exit');
  assert.equal(code, 0);
  const { stdout } = spawnSync('pgrep', ['-fc', '^sleep 8881'], { encoding: 'utf8' });
  assert.equal(stdout.trim(), '0');
  await second[Symbol.asyncDispose]();
});

test('a session that nobody uses any more is closed with its sandboxes', async () => {
  using place = makePlace();
  await using http = await startHttp(place, ['--idle', '4s']);
  const mcp = await connectMcp(http.url);
  const { sessionId } = mcp;
  const sandbox = await mcp.open();
  await mcp.call('run_command', {
    sandbox,
    command: 'setsid sleep 8882 >/dev/null 2>&1 & echo on',
  });
  await mcp[Symbol.asyncDispose]();
  assert.equal(guestsOf(http.child.pid, 'sleep 8882'), 1);
  await until('it is ended', () => guestsOf(http.child.pid, 'sleep 8882') === 0);
  let status = 0;
  while (status !== 404) {
    // Who asks uses it.
    await sleep(4500);
    ({ status } = await http.send({ headers: { 'mcp-session-id': sessionId }, body: list }));
  }
});

test('there is no start without a token on an address that others reach', () => {
  using place = makePlace();
  const tokens = withTokens(place);
  for (const address of ['0.0.0.0:0', '[::]:0', '192.0.2.1:0']) {
    const { status, stderr } = place.caisson(['mcp', '--http', address]);
    assert.equal(status, 78, address);
    assert.match(stderr, /is reached from elsewhere, and there is no token/);
  }
  const short = { environment: { CAISSON_MCP_TOKEN: 'short' } };
  const weak = place.caisson(['mcp', '--http', '0.0.0.0:0'], short);
  assert.equal(weak.status, 78);
  assert.ok(!weak.stderr.includes('short '), weak.stderr);
  chmodSync(tokens, 0o644);
  const open = place.caisson(['mcp', '--http', '127.0.0.1:0', '--token-file', tokens]);
  assert.equal(open.status, 78);
  assert.match(open.stderr, /can be read by others/);
  assert.equal(place.caisson(['mcp', '--token-file', tokens]).status, 64);
  assert.equal(place.caisson(['mcp', '--http', 'nowhere']).status, 64);
  assert.equal(place.caisson(['mcp', '--level', 'basic']).status, 64);
});

test('the token of the environment is no guest’s to read', async () => {
  using place = makePlace();
  const policy = join(place.work, 'policy.yaml');
  writeFileSync(policy, 'level: strict\nenvironment:\n  pass: ["*"]\n');
  const environment = { ...place.environment, CAISSON_MCP_TOKEN: ANN, SHOWN: 'yes' };
  await using http = await startHttp({ ...place, environment } as Place, ['--policy', policy]);
  await using mcp = await connectMcp(http.url, bearer(ANN));
  const { structured } = await mcp.call('run_command', { argv: ['env'] });
  assert.match(structured.stdout.text, /^SHOWN=yes$/m);
  assert.ok(!structured.stdout.text.includes(ANN));
});
