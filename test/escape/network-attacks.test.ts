/**
 * What broke the filtered network once, and must not again: each as a guest would do it, judged by what the servers
 * outside saw. The small internet is that of `network-filtered.test.ts`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { WorldClient, type WorldRun } from '../e2e/network/world-client.ts';

const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip =
  spawnSync('sh', ['-c', 'command -v python3']).status === 0
    ? rootless
    : 'python3 is not installed';
let world: WorldClient;

const one = {
  level: 'strict',
  network: { mode: 'filtered', allow: ['one.test:80,443'] },
} as const;
const paths = ({ seen }: WorldRun): string[] => seen.requests.map(({ host, path }) => host + path);

/** Sends pieces, a moment apart, and prints what came back. */
const send = (port: number, ...pieces: string[]): string[] => [
  'python3',
  '-c',
  `
import socket, time
s = socket.create_connection(('one.test', ${port}), 15); s.settimeout(8)
for piece in [${pieces.map((piece) => `b'${piece}'`).join(', ')}]:
  s.sendall(piece); time.sleep(.1)
try: print(s.recv(65536))
except OSError as e: print(e)`,
];

describe('attacks on a filtered network', { skip }, () => {
  before(async () => {
    world = await WorldClient.start();
  });
  after(() => world.stop());

  test('a request line without a version hides no Host: what is no HTTP to us is some to a server', async () => {
    for (const pieces of [
      ['GET /nine\\r\\n', 'Host: two.test\\r\\n\\r\\n'],
      ['GET /nine\\r\\nHost: two.test\\r\\n\\r\\n'],
      ['GET http://two.test/nine\\r\\n', 'Host: two.test\\r\\n\\r\\n'],
      ['\\r\\nOPTIONS *\\r\\nHost: two.test\\r\\n\\r\\n'],
      ['GET /\\x01', ' HTTP/1.1\\r\\nHost: two.test\\r\\n\\r\\n'],
      ['\\x0c', 'GET / HTTP/1.1\\r\\nHost: two.test\\r\\n\\r\\n'],
    ]) {
      const run = await world.run(send(80, ...pieces), one);
      assert.deepEqual(paths(run), [], JSON.stringify(pieces));
      assert.notDeepEqual(run.violations, [], JSON.stringify(pieces));
    }
  });

  test("a name that leads to the host's own public address does not lend the host's place", async () => {
    const fetch = [
      'python3',
      '-c',
      "import urllib.request as u; print(u.urlopen('http://own.test/x', timeout=5).read().decode())",
    ];
    const named = { level: 'strict', network: { mode: 'filtered', allow: ['*:80'] } } as const;
    const run = await world.run(fetch, named);
    assert.deepEqual(paths(run), []);
    assert.match(run.violations[0]?.reason ?? '', /leads to 203\.0\.113\.5, which is of this host/);
    // Where a rule names the address it was meant.
    const meant = {
      level: 'strict',
      network: { mode: 'filtered', allow: ['*:80', '203.0.113.5:80'] },
    } as const;
    assert.deepEqual(paths(await world.run(fetch, meant)), ['own.test/x']);
  });

  test("a name that leads to a loopback beside another address does not fall over to the host's", async () => {
    // Nobody listens on the first at that port; the second would be the host's own loopback.
    await world.point('moved.test', ['198.51.100.99', '127.0.0.1']);
    const all = {
      level: 'strict',
      network: { mode: 'filtered', allow: ['*:*', '0.0.0.0/0:*'] },
    } as const;
    const run = await world.run(
      [
        'python3',
        '-c',
        `
import socket
socket.getaddrinfo('moved.test', 80)
s = socket.create_connection(('198.51.100.99', 80), 5); s.settimeout(3)
s.sendall(b'GET /host HTTP/1.1\\r\\nHost: moved.test\\r\\n\\r\\n')
try: print(s.recv(65536))
except OSError as e: print(e)`,
      ],
      all,
    );
    assert.deepEqual(paths(run), [], run.stdout);
  });
});
