/**
 * CVE-2019-5736: the guest has the launcher execute /proc/self/exe, by a link of an innocent name, and changes the program
 * of the host through what it then finds in /proc.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import {
  firstOutput,
  type Mechanism,
  needs,
  ORDINARY,
  Range,
  snapshot,
  Wall,
  weakLauncher,
  without,
} from './harness.ts';

/** Waits for a process whose program is the launcher, and spoils that. */
const hunter = `
int main(void) {
  char path[64], to[256];
  int own = getpid();
  puts("ready");
  fflush(stdout);
  for (;;) {
    for (int pid = own; pid < own + 200; pid++) {
      snprintf(path, sizeof path, "/proc/%d/exe", pid);
      int fd = open(path, O_PATH);
      if (fd < 0) continue;
      snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
      ssize_t n = readlink(path, to, sizeof to - 1);
      if (n > 0 && (to[n] = 0, strstr(to, "caisson-launcher"))) {
        chmod(path, 0777);
        int writing = open(path, O_WRONLY | O_TRUNC);
        if (writing >= 0) write(writing, "spoilt", 6);
        if (writing >= 0) close(writing);
      }
      close(fd);
    }
  }
}`;

/** Whether the launcher's file is another one after the attack. */
async function spoilt(
  range: Range,
  file: string,
  wall: Wall,
  ...out: Mechanism[]
): Promise<boolean> {
  const attack = range.program('hunter', hunter);
  const evil = join(range.path, 'bin', 'evil');
  rmSync(evil, { force: true });
  symlinkSync('/proc/self/exe', evil);
  const before = snapshot(file);
  const policy = { filesystem: { read: [join(range.path, 'bin')] } };
  const setup = { policy, argv: [attack], job: { stdout: 'stream' } } as const;
  const { kind, job } = without(wall.prepare(setup), ...out);
  const plan = wall.client.preparePlan(encodePlan(kind));
  const sandbox = wall.client.openSandbox(plan, { ...job, argv: [] });
  const inside = { ...job, mounts: [], landlock: out.includes('landlock') ? [] : job.landlock };
  const hunting = sandbox.spawn({ ...inside, argv: [attack] });
  await firstOutput(hunting);
  // As a caller does that runs what it finds in the workspace. The launcher's probe takes its time.
  const changed = (): boolean => JSON.stringify(snapshot(file)) !== JSON.stringify(before);
  for (let round = 0; round < 40 && !changed(); round++) {
    const job = { ...inside, argv: [evil, 'probe'], stdout: 'capture' } as const;
    await sandbox.run(job).catch(() => {});
  }
  hunting.kill();
  await sandbox.close();
  await hunting.result.catch(() => {});
  return changed();
}

test('the launcher of an ordinary user, who owns it', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const own = (program: string): string => {
    const path = range.copyOfLauncher(program);
    chownSync(path, ORDINARY, ORDINARY);
    chmodSync(path, 0o755);
    return path;
  };
  const tried = async (program: string, ...out: Mechanism[]): Promise<boolean> => {
    const file = own(program);
    await using wall = await Wall.ordinary(file);
    return await spoilt(range, file, wall, 'cgroup', ...out);
  };
  const weak = weakLauncher('SEAL');
  // A race: its numbers run away from the one that hunts, so another one begins anew.
  let won = false;
  for (let tries = 0; tries < 20 && !won; tries++) won = await tried(weak, 'landlock');
  assert.equal(won, true);
  // A sealed copy of the program alone, and Landlock alone, which knows no rule for where the program lies.
  assert.equal(await tried(locateLauncher().path, 'landlock'), false);
  assert.equal(await tried(weak), false);
  assert.equal(await tried(locateLauncher().path), false);
});

test('the launcher of root, whose guests are somebody else', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const file = range.copyOfLauncher();
  await using wall = await Wall.open([file]);
  assert.equal(statSync(file).uid, 0);
  assert.equal(await spoilt(range, file, wall, 'landlock', 'seccomp'), false);
});
