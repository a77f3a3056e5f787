/**
 * CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2019-16884: the host's /dev/null or /proc is not what it seems, so
 * that masks are empty gestures and writes go to a file of the attacker's choice.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, linkSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { locateLauncher } from '../../src/launcher/locate.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import { needs, ORDINARY, Range, Wall, weakLauncher, without, writePlan } from './harness.ts';

/** Runs a launcher in a mount namespace of its own, in which `script` has spoilt something first. */
const spoilt = (script: string, launcher: string): Promise<Wall> => {
  const line = `${script}\nexec "$0" serve`;
  return Wall.open(['unshare', '--mount', 'sh', '-ec', line, launcher]);
};

const writer = `
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_WRONLY);
    if (fd >= 0) write(fd, "overwritten", 11);
  }
  return 0;
}`;

/** As the plan, but the node is bound like any other file, without a look at what it is. */
function unchecked({ kind, job }: { kind: KindPlan; job: Job }) {
  const mounts = kind.mounts.map((mount) =>
    mount.kind === 'device' && mount.target === '/dev/null'
      ? ({ kind: 'bind', source: mount.source, target: mount.target, flags: [] } as const)
      : mount,
  );
  return { kind: { ...kind, mounts }, job };
}

const falseDevices = (victim: string): readonly string[] => [
  `mount --bind ${victim} /dev/null`,
  'mount --bind /dev/full /dev/null',
  `mount -t tmpfs none /dev; ln -s ${victim} /dev/null`,
];

test('a /dev/null that is a file of the host, or another device', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const victim = range.file('victim', 'untouched', 0o666);
  const attack = range.program('writer', writer);
  const launcher = range.copyOfLauncher();
  const policy = { filesystem: { read: [join(range.path, 'bin')] } };
  const untouched = () => assert.equal(readFileSync(victim, 'utf8'), 'untouched');
  const setup = { policy, argv: [attack, '/dev/null'] };

  // An ordinary user cannot make devices: those of the host are bound, after a look at what they are.
  await using sound = await Wall.ordinary(launcher);
  const made = without(sound.prepare(setup), 'landlock');
  const [file = '', ...others] = falseDevices(victim);
  const as = `exec setpriv --reuid=${ORDINARY} --regid=${ORDINARY} --clear-groups "$0" serve`;
  const ordinary = (script: string) =>
    Wall.open(['unshare', '--mount', 'sh', '-ec', `${script}\n${as}`, launcher]);
  {
    await using wall = await ordinary(file);
    await wall.run(unchecked(made));
    assert.equal(readFileSync(victim, 'utf8'), 'overwritten');
    range.file('victim', 'untouched', 0o666);
    await assert.rejects(wall.run(made), /device is not what the plan says/);
    untouched();
  }
  for (const script of others) {
    await using wall = await ordinary(script);
    await assert.rejects(wall.run(made), script);
    untouched();
  }
  // Root makes its own by number, whatever lies in the host's /dev.
  await using root = await Wall.open();
  const own = without(root.prepare(setup), 'landlock');
  for (const script of [file, ...others]) {
    await using wall = await spoilt(script, locateLauncher().path);
    await wall.run(own).catch(() => {});
    untouched();
  }
});

const reader = `
int main(int argc, char **argv) {
  char text[65536];
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    printf("%s %zd\\n", argv[i], n);
  }
  return 0;
}`;

test('what of /proc tells of the host is masked, whatever /dev/null is', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const attack = range.program('reader', reader);
  const files = ['/proc/kallsyms', '/proc/key-users', '/proc/bus/pci/devices'].filter(existsSync);
  assert.ok(files.length > 0);
  await using sound = await Wall.open();
  const policy = { filesystem: { read: [range.path] } };
  const made = sound.prepare({ policy, argv: [attack, ...files] });
  const told = (stdout: string) =>
    stdout.split('\n').filter((line) => / [1-9]\d*$/.test(line)).length;
  assert.ok(told((await sound.run(without(made, 'masks'))).stdout) > 0);
  assert.equal(told((await sound.run(made)).stdout), 0);
  // Nor can the guest take them away, whatever it may do in its own namespaces.
  const lift = range.program(
    'lift',
    `
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) { umount2(argv[i], MNT_DETACH); unlink(argv[i]); }
  int fd = open("/proc/kallsyms", O_WRONLY | O_TRUNC);
  return fd >= 0;
}`,
  );
  const lifted = sound.prepare({ policy, argv: [lift, ...files] });
  assert.equal((await sound.run(lifted)).code, 0);
  // Masks are files of our own: a false /dev/null lays nothing bare.
  await using wall = await spoilt('mount --bind /proc/kallsyms /dev/null', locateLauncher().path);
  assert.equal(told((await wall.run(made)).stdout), 0);
});

/**
 * A false /proc: what the launcher opens at its start is there, and every process number that comes next leads to one
 * directory, of which one file is the victim.
 */
function falseProc(range: Range, victim: string): string {
  const path = range.directory('false');
  range.file('false/self/uid_map', '0 0 4294967295\n');
  for (const name of ['mnt', 'pid', 'net']) range.file(`false/self/ns/${name}`, '');
  range.directory('false/trap');
  linkSync(victim, join(path, 'trap', 'oom_score_adj'));
  const last = Number(readFileSync('/proc/loadavg', 'utf8').split(' ').at(-1));
  for (let pid = last; pid < last + 500; pid++) symlinkSync('trap', join(path, String(pid)));
  return path;
}

test('a /proc that is none', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const victim = range.file('victim', 'untouched');
  await using sound = await Wall.open();
  const plan = writePlan(join(range.path, 'true.plan'), sound.prepare({ argv: ['/bin/true'] }));
  const after = (launcher: string): string => {
    range.file('victim', 'untouched');
    const lie = falseProc(range, victim);
    const line = `mount --bind ${lie} /proc; exec "$0" run ${plan} -- /bin/true`;
    spawnSync('unshare', ['--mount', 'sh', '-ec', line, launcher], { timeout: 5000 });
    rmSync(lie, { recursive: true });
    return readFileSync(victim, 'utf8');
  };
  assert.notEqual(after(weakLauncher('PROC_CHECK')), 'untouched');
  assert.equal(after(locateLauncher().path), 'untouched');
});
