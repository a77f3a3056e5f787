/** A launcher that is killed cannot remove its control groups: whoever started it does, at once, and before it is closed. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import { childrenOf, link } from '../faults/kernel-state.ts';
import { until } from '../until.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root';

/** Its groups in every hierarchy, where they are for a launcher that we started. */
function groupsOf(launcher: number): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[2] ?? '');
  return [...new Set(mounts)].flatMap((mount) =>
    [...new Set(['/', ...own])]
      .map((group) => join(mount, group))
      .filter((path) => existsSync(path))
      .flatMap((path) => readdirSync(path).map((name) => join(path, name)))
      .filter((path) => path.includes(`/caisson-${launcher}-`)),
  );
}

function launcherOf(): number {
  const found = childrenOf(process.pid).find((pid) =>
    link(`/proc/${pid}/exe`)?.includes('caisson-launcher'),
  );
  assert.ok(found, 'there is a launcher');
  return found;
}

for (const moment of ['while the service of it goes on', 'right before it is closed'] as const) {
  test(`${moment}, nothing stays of a launcher that is killed`, { skip }, async () => {
    await using caisson = await Caisson.open();
    const sandbox = await caisson.create({ policy: 'strict' });
    await sandbox.freeze();
    const launcher = launcherOf();
    assert.ok(groupsOf(launcher).length > 0, 'it has control groups');
    process.kill(launcher, 'SIGKILL');
    if (moment === 'right before it is closed') await caisson.close();
    else await until('its control groups are removed', () => groupsOf(launcher).length === 0);
    assert.deepEqual(groupsOf(launcher), []);
  });
}
