/**
 * A machine that allows no user namespaces: what stands in the way is told with its cure, not that a process ended.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const CAISSON = join(import.meta.dirname, '../../bin/caisson');
/** In a user namespace of the test's own, whose limit of further ones is none (user_namespaces(7)). */
const WITHOUT = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"';

function caisson(...words: string[]) {
  const argv = ['-Ur', 'sh', '-c', WITHOUT, 'sh', CAISSON, ...words];
  const { status, stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('doctor says that there are none, and what cures it', () => {
  const { status, stdout, stderr } = caisson('doctor', '--json');
  assert.equal(status, 69, stderr);
  const { ready, findings } = JSON.parse(stdout) as {
    ready: boolean;
    findings: { of: string; state: string; cause?: string; cure?: string }[];
  };
  assert.equal(ready, false);
  const found = findings.find(({ of }) => of === 'user namespaces');
  assert.equal(found?.state, 'missing');
  assert.match(found?.cause ?? '', /max_user_namespaces/);
  assert.match(found?.cure ?? '', /^sysctl -w user\.max_user_namespaces=/);
});

test('a run is refused for that reason', () => {
  const { status, stderr } = caisson('run', '--', 'true');
  assert.equal(status, 69, stderr);
  assert.match(stderr, /user namespaces are refused/);
  assert.doesNotMatch(stderr, /socket|EPIPE/);
});
