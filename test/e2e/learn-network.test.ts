/**
 * What `caisson learn` says of destinations, under a filtered network: the command that was learned passes, and what it
 * did not reach then is refused and named. The internet is that of `network/world.ts`, whose servers say what they saw.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { formatDestination } from '../../src/policy/destination.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { entry } from '../cli/caisson.ts';
import { type HostRun, WorldClient } from './network/world-client.ts';

const missing = ['python3', 'curl'].find((name) => spawnSync(name, ['-V']).status !== 0);
const rootless = process.getuid?.() === 0 ? false : 'needs root';
const skip = missing === undefined ? rootless : `${missing} is not installed`;
let world: WorldClient;
let place: string;

/** By address before any name that leads there was asked for; by name; and datagrams of both kinds. */
const FETCH = `
set -e
curl -sS --max-time 5 http://198.51.100.20/by-address
curl -sS --max-time 5 http://one.test/by-name
curl -sSk --max-time 5 https://three.test/by-tls
python3 - <<'END'
import socket
for host, port in (('one.test', 7000), ('198.51.100.20', 7001)):
  where = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  s.settimeout(3)
  s.sendto(b'hello', where)
  print(s.recv(100).decode())
END
`;

const onHost = (...argv: string[]): Promise<HostRun> =>
  world.onHost({
    argv: [entry, ...argv],
    cwd: join(place, 'work'),
    env: { HOME: join(place, 'home'), LC_ALL: 'C' },
  });
const requests = ({ seen }: HostRun): string[] =>
  seen.requests.map(({ host, path }) => host + path);

before(async () => {
  if (skip !== false) return;
  world = await WorldClient.start();
  place = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-learn-network-')));
  for (const name of ['work', 'home']) mkdirSync(join(place, name));
  writeFileSync(join(place, 'work/fetch.sh'), FETCH);
});
after(async () => {
  if (skip !== false) return;
  await world.stop();
  rmSync(place, { recursive: true, force: true });
});

test('a command that fetches by name and by address, learned', { skip }, async (t) => {
  const learned = await onHost('learn', '-o', 'policy.yaml', '--', 'sh', 'fetch.sh');
  assert.equal(learned.code, 0, learned.stderr);
  const text = readFileSync(join(place, 'work/policy.yaml'), 'utf8');
  const run = (...argv: string[]): Promise<HostRun> =>
    onHost('run', '--policy', 'policy.yaml', '--', ...argv);

  await t.test('names where a name led there, addresses where none did', () => {
    const { network } = parsePolicy(text, { source: 'policy.yaml' });
    assert.deepEqual(network.allow.map(formatDestination).sort(), [
      '198.51.100.20/32:80',
      'one.test:7000/udp',
      'one.test:80',
      'three.test',
      // By address, but after a name that leads there was asked for: nobody can tell.
      'three.test:7001/udp',
    ]);
  });

  await t.test('passes under it, and does the same', async () => {
    const again = await run('sh', 'fetch.sh');
    assert.equal(again.code, 0, again.stdout + again.stderr + text);
    assert.equal(again.stdout, learned.stdout);
    assert.deepEqual(requests(again), requests(learned));
    assert.deepEqual(again.seen.datagrams, learned.seen.datagrams);
  });

  await t.test('what it did not reach is refused and named', async () => {
    for (const [argv, named] of [
      [['curl', '-fsS', '--max-time', '5', 'http://two.test/'], 'two.test'],
      // The address of an allowed name, at the port that is allowed for it.
      [['curl', '-fsS', '--max-time', '5', 'http://198.51.100.10/'], '198.51.100.10:80'],
      [['curl', '-fsS', '--max-time', '5', '-k', 'https://one.test/'], 'one.test:443'],
      [['curl', '-fsS', '--max-time', '5', 'http://10.1.2.3/'], '10.1.2.3:80'],
    ] as const) {
      const other = await run(...argv);
      assert.notEqual(other.code, 0, other.stdout);
      assert.ok(other.stderr.includes(named), `${named}: ${other.stderr}`);
      assert.deepEqual(requests(other), []);
    }
  });
});
