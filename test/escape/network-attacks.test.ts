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
s = socket.create_connection(('one.test', ${port}), 5); s.settimeout(2)
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
});
