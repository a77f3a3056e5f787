/** `caisson run --audit` and `--ask`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { entry, makePlace } from './caisson.ts';
import { typist } from './typist.ts';

test('--audit records each step of a run, in a log that verifies', () => {
  using place = makePlace();
  const log = join(place.work, 'log');
  for (const code of ['3', '0']) {
    const run = place.caisson(['run', '--audit', log, '--', 'sh', '-c', `exit ${code}`]);
    assert.equal(run.status, Number(code), run.stderr);
  }
  assert.equal(place.caisson(['audit', 'verify', log]).status, 0);
  const { stdout } = place.caisson(['audit', 'query', log, '--json']);
  const { records } = JSON.parse(stdout) as { records: { event: string }[] };
  const events = records.map(({ event }) => event);
  const each = ['created', 'started', 'ended', 'destroyed'];
  assert.deepEqual(
    events.filter((event) => each.includes(event)),
    [...each, ...each],
  );
});

test('--audit on a log that cannot be written runs nothing', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'log'), 'no directory');
  const run = place.caisson(['run', '--audit', 'log', '--', 'echo', 'ran']);
  assert.notEqual(run.status, 0);
  assert.equal(run.stdout, '');
  assert.match(run.stderr, /AUDIT_UNAVAILABLE|log/);
});

test('--ask without a terminal is refused', () => {
  using place = makePlace();
  const run = place.caisson(['run', '--net', 'one.test', '--ask', '--', 'echo', 'ran']);
  assert.equal(run.stdout, '');
  assert.match(run.stderr, /no terminal.*\n.*--net HOST/);
});

const needs = process.getuid?.() === 0 ? false : 'needs root';
test('--ask: a yes lets the connection through, a no does not', { skip: needs }, () => {
  using place = makePlace();
  const script = `
    ip link set lo up; ip address add 198.51.100.9/32 dev lo
    python3 -m http.server -b 198.51.100.9 80 >/dev/null 2>&1 & server=$!
    for try in $(seq 200); do curl -s -o /dev/null http://198.51.100.9/ && break; sleep 0.1; done
    "$0" run --net one.test --ask -- sh -c '
      curl -sS -m 9 -o /dev/null -w "%{http_code} " http://198.51.100.9/; echo first
      sleep 1
      curl -sS -m 9 -o /dev/null -w "%{http_code} " http://198.51.100.9:80/; echo second'
    kill $server`;
  const typed = (answer: string) => {
    const steps = JSON.stringify([['198.51.100.9:80? ', 0.1, [...Buffer.from(`${answer}\n`)]]]);
    const argv = ['unshare', '--net', 'sh', '-c', script, entry];
    return spawnSync(
      'python3',
      ['-c', `${typist}\nprint(seen.decode())`, steps, '/usr/bin/env', ...argv],
      {
        encoding: 'utf8',
        env: place.environment,
        cwd: place.work,
      },
    );
  };
  assert.match(typed('a').stdout, /200 first[\s\S]*200 second/);
  assert.match(typed('').stdout, /403 first[\s\S]*403 second/);
});
