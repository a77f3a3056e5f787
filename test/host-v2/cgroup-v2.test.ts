/**
 * The launcher on pure cgroup v2, which most machines have: in a guest, since this one may have v1 (or limits of its own).
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findGuestParts, runInGuest } from '../../scripts/cgroup-v2-guest.ts';

const parts = findGuestParts();

describe('cgroup v2', { skip: typeof parts === 'string' ? parts : false }, () => {
  if (typeof parts === 'string') return;

  test('the guest has every controller in the unified hierarchy and no other hierarchy', async () => {
    const { output, code } = await runInGuest(parts, {
      script: `cat /sys/fs/cgroup/cgroup.controllers
        grep -c ' - cgroup ' /proc/self/mountinfo
        exit 7`,
    });
    const [controllers = '', v1Mounts] = output.split('\n');
    for (const name of ['cpu', 'io', 'memory', 'pids'])
      assert.match(controllers, new RegExp(`\\b${name}\\b`));
    assert.equal(v1Mounts, '0');
    assert.equal(code, 7);
  });

  test('a script that does not end is ended, and what it said is in the error', async () => {
    await assert.rejects(
      runInGuest(parts, { script: 'echo still here; sleep 1000', timeoutMs: 1_000 }),
      /did not end in time:\s+.*still here/s,
    );
  });
});
