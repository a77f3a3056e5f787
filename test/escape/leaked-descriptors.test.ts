/** CVE-2024-21626: a descriptor of the host, or a working directory on it, that the guest finds when it starts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import { needs, Range, Wall, weakLauncher, without, writePlan } from './harness.ts';

/** Overwrites `victim` through its working directory and, without an argument, through every descriptor that it has. */
const writer = `
int main(int argc, char **argv) {
  for (int fd = -1; fd < (argc > 1 ? 0 : 1024); fd++) {
    int victim = openat(fd < 0 ? AT_FDCWD : fd, "victim", O_WRONLY | O_TRUNC);
    if (victim >= 0) dprintf(victim, "overwritten through %d", fd);
  }
  return 0;
}`;

/** Prints what is open in it. */
const lister = `
int main(void) {
  for (int fd = 0; fd < 65536; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("%d ", fd);
  char link[64], to[256];
  for (int fd = 0; fd < 3; fd++) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, to, sizeof to - 1);
    printf("%.*s ", n < 0 ? 0 : n < 6 ? (int)n : 6, to);
  }
  return 0;
}`;

function scene(range: Range) {
  const directory = range.directory('host', 0o777);
  range.file('host/victim', 'untouched', 0o666);
  return {
    /** Runs with descriptors of the host that the caller forgot to close, and says what became of the file. */
    after(program: string, plan: string, argv: string[]): string {
      range.file('host/victim', 'untouched', 0o666);
      const host = openSync(directory, 'r');
      const args = ['run', plan, '--', ...argv];
      const stdio = ['ignore', 'ignore', 'ignore', ...Array(20).fill(host)];
      spawnSync(program, args, { stdio, cwd: directory, timeout: 5000 });
      closeSync(host);
      return readFileSync(join(directory, 'victim'), 'utf8');
    },
  };
}

test('descriptors that the caller left open', { skip: needs.gcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const attack = range.program('writer', writer);
  const made = wall.prepare({
    policy: { filesystem: { read: [join(range.path, 'bin')] } },
    argv: [attack],
  });
  const full = writePlan(join(range.path, 'full.plan'), made);
  const open = writePlan(join(range.path, 'open.plan'), without(made, 'landlock'));
  const weak = weakLauncher('CLOSE_RANGE');
  const { after } = scene(range);
  const launcher = locateLauncher().path;

  assert.match(after(weak, open, [attack]), /^overwritten through \d+$/);
  // Closing alone, and Landlock alone, which knows no rule for what lies outside.
  assert.equal(after(launcher, open, [attack]), 'untouched');
  assert.equal(after(weak, full, [attack]), 'untouched');
  assert.equal(after(launcher, full, [attack]), 'untouched');
});

test('a working directory through /proc/self/fd', { skip: needs.gcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const attack = range.program('writer', writer);
  const made = wall.prepare({
    policy: { filesystem: { read: [join(range.path, 'bin')] } },
    argv: [attack],
  });
  const { after } = scene(range);
  /** Every number that a descriptor of the host may have; true when one led out. */
  const escapes = (program: string): boolean => {
    for (let fd = 3; fd < 24; fd++) {
      const { kind, job } = without(made, 'landlock');
      const plan = join(range.path, 'cwd.plan');
      writePlan(plan, { kind, job: { ...job, cwd: `/proc/self/fd/${fd}` } });
      if (after(program, plan, [attack, 'cwd']) === 'overwritten through -1') return true;
    }
    return false;
  };
  // No descriptor is there to go through; and where one is, a directory outside of the root is refused.
  assert.equal(escapes(weakLauncher('CLOSE_RANGE', 'CWD')), true);
  assert.equal(escapes(weakLauncher('CLOSE_RANGE')), false);
  assert.equal(escapes(weakLauncher('CWD')), false);
});

test('the guest finds three descriptors and no more', { skip: needs.gcc }, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const list = range.program('lister', lister);
  const policy = { filesystem: { read: [join(range.path, 'bin')] } };
  const made = wall.prepare({ policy, argv: [list] });
  assert.equal((await wall.run(made)).stdout, '0 1 2 /dev/n pipe:[ pipe:[ ');

  // In a sandbox that is kept, whose every command inherits from init.
  const plan = wall.client.preparePlan(encodePlan(made.kind));
  const sandbox = wall.client.openSandbox(plan, { ...made.job, argv: [] });
  const inside = { ...made.job, mounts: [], landlock: [] };
  for (let round = 0; round < 3; round++) {
    const { stdout } = await sandbox.run({ ...inside, stdin: 'inline', input: Buffer.from('x') });
    assert.equal(stdout.bytes.toString(), '0 1 2 pipe:[ pipe:[ pipe:[ ');
  }
  await sandbox.close();

  // Where the caller has closed its own, nothing of the launcher's takes their numbers.
  const closed = writePlan(join(range.path, 'closed.plan'), made);
  const out = join(range.path, 'out');
  const line = `exec "$0" run "$1" -- "$2" >"$3" <&- 2>&-`;
  spawnSync('sh', ['-c', line, locateLauncher().path, closed, list, out], { stdio: 'ignore' });
  assert.equal(readFileSync(out, 'utf8').split('/')[0]?.trim(), '1');
});
