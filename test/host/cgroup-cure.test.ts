/** What doctor tells an ordinary user without systemd, done as it says: `strict` then runs without --accept. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { delegateByHand } from '../../src/host/cgroup-cure.ts';
import { gatherSurroundings } from '../../src/host/surroundings.ts';
import { entry } from '../cli/caisson.ts';

const USER = 65_532;
const skip =
  process.geteuid?.() !== 0
    ? 'needs root'
    : gatherSurroundings().cgroupVersion !== 'v1'
      ? 'no cgroup v1 here'
      : false;

test('cgroup v1: the cure gives memory, CPU and process limits', { skip }, async () => {
  const name = `caisson-cure-${process.pid}`;
  const home = mkdtempSync(join(tmpdir(), 'caisson-cure-'));
  chmodSync(home, 0o700);
  chownSync(home, USER, USER);
  const cure = delegateByHand('v1').replace(/^as root[^:]*: /, '');
  const lines = cure
    .replaceAll('/caisson', `/${name}`)
    .replaceAll('USER', `${USER}`)
    .replaceAll('PID', () => '$$');
  const user = `setpriv --reuid ${USER} --regid ${USER} --clear-groups`;
  const script = `set -e; ${lines}; exec ${user} "$0" run --memory 64MiB --json -- sh -c 'head -c 200m /dev/zero | tail'`;
  try {
    const environment = { PATH: process.env.PATH, HOME: home };
    const { stdout, stderr } = spawnSync('sh', ['-c', script, entry], {
      cwd: home,
      env: environment,
      encoding: 'utf8',
      timeout: 60_000,
    });
    const outcome = JSON.parse(stdout || '{}') as { accepted?: string[]; limitsHit?: string[] };
    assert.deepEqual(outcome.accepted, [], stdout + stderr);
    assert.ok(outcome.limitsHit?.includes('memory'), stdout);
  } finally {
    rmSync(home, { recursive: true, force: true });
    const roots = readdirSync('/sys/fs/cgroup').map((each) => join('/sys/fs/cgroup', each, name));
    for (const root of roots) await remove(root);
  }
});

/** From the inside out; a group whose last process is just going takes a moment. */
async function remove(path: string): Promise<void> {
  let names: string[];
  try {
    names = readdirSync(path, { withFileTypes: true })
      .filter((each) => each.isDirectory())
      .map((each) => each.name);
  } catch {
    return;
  }
  for (const each of names) await remove(join(path, each));
  for (let i = 0; ; i++) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return;
      if (i === 200) throw error;
      await sleep(10);
    }
  }
}
