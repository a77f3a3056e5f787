/** Control groups in which something is still dying when the launcher ends are removed when it is dead. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { needs, Wall } from '../escape/harness.ts';

const ROOT = '/sys/fs/cgroup';

/** Directories of the groups of ours that it is in, in whatever hierarchies are mounted. */
function groupsOf(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n');
  const paths = lines.map((line) => line.split(':').slice(2).join(':'));
  const found = paths
    .filter((path) => path.includes('/caisson-'))
    .flatMap((path) => ['', ...readdirSync(ROOT)].map((hierarchy) => join(ROOT, hierarchy, path)))
    .filter((path) => existsSync(path));
  return [...new Set(found)];
}

test('what ends half a second after everything else', { skip: needs.root }, async () => {
  const wall = await Wall.open();
  const { kind, job } = wall.prepare({ argv: [] });
  const plan = wall.client.preparePlan(encodePlan(kind));
  const sandbox = wall.client.openSandbox(plan, job);
  const groups = groupsOf(await sandbox.opened);
  assert.ok(groups.length > 0);
  await sandbox.close();
  const late = spawn('sleep', ['0.5'], { stdio: 'ignore' });
  for (const group of groups) writeFileSync(join(group, 'cgroup.procs'), `${late.pid}`);
  await wall.client.close();
  assert.deepEqual(
    groups.filter((group) => existsSync(group)),
    [],
  );
});
