/**
 * Requests that no honest program sends, by guests that speak HTTP by hand: judged by what the servers outside saw, and
 * by whether the proxy's process, which serves every sandbox, outlives them. The small internet is that of
 * `network-filtered.test.ts`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';
import { h2Frames } from './h2-frames.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const missing = ['curl', 'python3'].find(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
);
const skip = missing === undefined ? rootless : `${missing} is not installed`;
let world: WorldClient;

const python = (script: string): string[] => ['python3', '-c', script];
const paths = ({ seen }: WorldRun): string[] => seen.requests.map(({ host, path }) => host + path);
const filtered = (...allow: string[]) =>
  ({ level: 'strict', network: { mode: 'filtered', allow } }) as const;
const clear = filtered('one.test:80');

/** Another sandbox of the same proxy, which asks again and again for three seconds, and what it got. */
const beside = (): Promise<WorldRun> =>
  world.run(
    python(`
import http.client, time
kept = http.client.HTTPConnection('three.test', timeout=20); kept.auto_open = 0; kept.connect()
for i in range(15):
  kept.request('GET', '/kept'); answer = kept.getresponse(); answer.read()
  print(answer.status, flush=True); time.sleep(.2)`),
    filtered('three.test:80'),
  );

describe('requests that no honest program sends', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  test('CONNECT behind a request that waits does not end the network of the others', async () => {
    await world.run(['true'], clear);
    const before = world.processes('proxy-process');
    const other = beside();
    const attack = await world.run(
      python(`
import socket, time
time.sleep(.5)
for i in range(5):
  s = socket.create_connection(('one.test', 80), 5); s.settimeout(2)
  s.sendall(b'GET /waits HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\nCONNECT one.test:80 HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n')
  try: print(s.recv(65536)[:12])
  except OSError as e: print(e)
print('done')`),
      clear,
    );
    assert.match(attack.stdout, /done/, attack.stderr);
    assert.equal((await other).stdout, '200\n'.repeat(15));
    assert.deepEqual(world.processes('proxy-process'), before);
    assert.ok(
      attack.violations.some(({ target }) => target?.startsWith('CONNECT http://one.test')),
    );
  });

  test('a reset makes no frame of what comes next: a denied path stays denied', async () => {
    const policy = {
      level: 'strict',
      network: {
        mode: 'filtered',
        intercept: true,
        allow: [{ host: 'one.test:443', http: ['/open/**'] }],
      },
    } as const;
    const run = await world.run(
      python(`${h2Frames}
hidden = b'GET /closed HTTP/1.1\\r\\nHost: one.test\\r\\n\\r\\n'
for code in (0, 5, 8):
  for body in (b'', b'x'):
    s = connect()
    head = b'POST /open/b HTTP/1.1\\r\\nHost: one.test\\r\\nContent-Length: %d\\r\\nConnection: keep-alive\\r\\n\\r\\n' % len(hidden)
    length = literal(b'content-length', str(len(head + body)).encode())
    s.sendall(frame(1, 4, 1, request(b'POST', b'/open/a') + length) + frame(0, 0, 1, body))
    time.sleep(.4)
    s.sendall(frame(3, 0, 1, struct.pack('>I', code))); time.sleep(.2)
    length = literal(b'content-length', str(len(hidden)).encode())
    s.sendall(frame(1, 4, 3, request(b'POST', b'/open/b') + length) + frame(0, 1, 3, hidden))
    answered(s, 3); s.close()
print('done')`),
      policy,
    );
    assert.match(run.stdout, /done/, run.stderr);
    assert.equal(paths(run).filter((path) => path === 'one.test/open/b').length, 6);
    assert.deepEqual(
      paths(run).filter((path) => !path.startsWith('one.test/open/')),
      [],
    );
  });

  test('one connection of HTTP/2 is for one name: another that is allowed, too, needs its own', async () => {
    const policy = {
      level: 'strict',
      network: {
        mode: 'filtered',
        intercept: true,
        allow: ['one.test:443', 'two.test:443'],
        secrets: { API_TOKEN: { hosts: ['two.test'] } },
      },
    } as const;
    const run = await world.run(
      python(`${h2Frames}
token = literal(b'authorization', b'Bearer ' + os.environ['API_TOKEN'].encode())
s = connect()
s.sendall(frame(1, 5, 1, request(host=b'two.test') + token) + frame(1, 5, 3, request() + literal(b'host', b'two.test') + token) +
  frame(1, 5, 5, request(host=b'one.test', path=b'https://two.test/x') + token) + frame(1, 5, 7, request(path=b'/own') + token))
answered(s, 7); time.sleep(.5); print('done')`),
      policy,
      { API_TOKEN: 'the-real-value' },
    );
    assert.match(run.stdout, /done/, run.stderr);
    assert.deepEqual(paths(run), ['one.test/own']);
    assert.doesNotMatch(JSON.stringify(run.seen), /the-real-value/);
    assert.ok(run.violations.some(({ rule }) => rule === 'network.fronting'));
  });

  test('no tunnel within HTTP/2: CONNECT, extended CONNECT, and names that are none', async () => {
    const policy = {
      level: 'strict',
      network: { mode: 'filtered', intercept: true, allow: ['one.test:443'] },
    } as const;
    const run = await world.run(
      python(`${h2Frames}
own = literal(b':authority', b'one.test:443')
bent = [
  literal(b':method', b'CONNECT') + own,
  literal(b':method', b'CONNECT') + literal(b':authority', b'two.test:443'),
  request(b'CONNECT') + literal(b':protocol', b'websocket'),
  request(b'connect'),
  request() + literal(b':path', b'/two'),
  request() + literal(b'transfer-encoding', b'chunked'),
  request() + literal(b'connection', b'upgrade') + literal(b'upgrade', b'h2c'),
  request() + literal(b'Host', b'two.test'),
  request(path=b'/ HTTP/1.1\\r\\nHost: two.test\\r\\n\\r\\n'),
  request(path=b'/a b'),
  request(path=b'x'),
  request() + literal(b'content-length', b'5'),
  request() + literal(b'content-length', b'0') + literal(b'content-length', b'5'),
]
for head in bent:
  s = connect(); s.sendall(frame(1, 5, 1, head)); s.settimeout(.3)
  try:
    while s.recv(65536): pass
  except OSError: pass
  s.close()
print('done')`),
      policy,
    );
    assert.match(run.stdout, /done/, run.stderr);
    assert.deepEqual(paths(run), []);
    assert.deepEqual(run.seen.strays, []);
  });

  test('no HTTP/2 in clear text: neither by its preface nor by Upgrade', async () => {
    const run = await world.run(
      python(`${h2Frames}
def say(*pieces):
  s = socket.create_connection(('one.test', 80), 5); s.settimeout(5)
  for piece in pieces: s.sendall(piece); time.sleep(.1)
  try: print(s.recv(65536)[:40])
  except OSError as e: print(e)
two = frame(4, 0, 0) + frame(1, 5, 1, request(host=b'two.test', path=b'/two'))
say(PREFACE + two)
say(b'PRI * HTTP/2.0\\r\\nHost: one.test\\r\\n\\r\\nSM\\r\\n\\r\\n' + two)
upgrade = b'GET /plain HTTP/1.1\\r\\nHost: one.test\\r\\nConnection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\nHTTP2-Settings: AAMAAABkAAQAAP__\\r\\n\\r\\n'
say(upgrade, PREFACE + two)`),
      clear,
    );
    assert.ok(
      paths(run).every((path) => path === 'one.test/plain'),
      JSON.stringify(run.seen),
    );
    assert.ok(run.violations.length >= 2, JSON.stringify(run.violations));
  });

  test('no writing of an address leads to the metadata service, whatever names are allowed', async () => {
    const urls = [
      '169.254.169.254',
      '169.254.169.254.',
      '0xA9.0xFE.0xA9.0xFE',
      '0251.0376.0251.0376',
      '2852039166',
      '0xA9FEA9FE',
      '169.16689662',
      '169.254.43518',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::a9fe:a9fe]',
      '[fe80::a9fe:a9fe%25lo]',
      'cloud.test',
      'CLOUD.test.',
    ];
    const run = await world.run(
      [
        'sh',
        '-c',
        `for url in ${urls.map((url) => `'http://${url}/meta'`).join(' ')}; do curl -sS -g -m 2 "$url"; curl -sS -g -m 2 -H 'Host: one.test' "$url"; done; curl -sS -m 15 http://one.test/reached; true`,
      ],
      filtered('*:80', '*:443'),
    );
    assert.deepEqual(paths(run), ['one.test/reached'], run.stdout);
    assert.deepEqual(run.seen.strays, []);
  });
});
