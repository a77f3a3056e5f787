/**
 * CVE-2021-30465, CVE-2024-42472: a guest swaps a directory of its workspace for a link while another sandbox is being
 * launched on it, so that the launcher binds a directory of the host that nobody named.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Job, Mount } from '../../src/plan/plan.ts';
import { mountsBelow, needs, Range, snapshot, Wall, weakLauncher, without } from './harness.ts';

/** Exchanges two names without end: at any moment each is the directory or the link. */
const swapper = `
int main(int argc, char **argv) {
  puts("ready");
  fflush(stdout);
  for (;;) syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2 /* RENAME_EXCHANGE */);
}`;

const writer = `
int main(int argc, char **argv) {
  int fd = open(argv[1], O_WRONLY | O_CREAT, 0644);
  return fd < 0;
}`;

function scene() {
  const range = new Range();
  const workspace = range.directory('work');
  const victim = range.directory('victim');
  const inside = range.directory('work/in');
  const link = join(workspace, 'link');
  symlinkSync(victim, link);
  const policy = { filesystem: { read: [join(range.path, 'bin')], write: ['.'] } };
  return { range, workspace, victim, inside, link, policy };
}

/** The job with one more bind, as for a path below the workspace that a policy names. */
function binding(job: Job, source: string): Job {
  const flags = ['nosuid', 'nodev', 'idmap', 'recursive'] as const;
  const more: Mount = { kind: 'bind', source, target: source, flags };
  return { ...job, mounts: [...job.mounts, more] };
}

async function swapping(program: string, a: string, b: string): Promise<ChildProcess> {
  const child = spawn(program, [a, b], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return child;
}

test('a source that becomes a link', { skip: needs.rootAndGcc }, async () => {
  const { range, workspace, victim, inside, link, policy } = scene();
  using _ = range;
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('NO_LINKS')]);
  const attack = range.program('writer', writer);
  const swap = range.program('swapper', swapper);
  const before = snapshot(victim);
  const argv = [attack, join(inside, 'pwned')];
  const made = strong.prepare({ policy, argv, workspace });
  const job = binding(made.job, inside);
  const child = await swapping(swap, inside, link);
  const ended = once(child, 'exit');
  const refusals = new Set<string>();
  /** How many launches until the host's directory is written to; 0 where none of `tries` did it. */
  const won = async (wall: Wall, tries: number): Promise<number> => {
    for (let n = 1; n <= tries; n++) {
      // Refused (ELOOP) or bound to the directory that is meant: either is right.
      await wall.run({ kind: made.kind, job }).catch((error) => refusals.add(String(error)));
      if (JSON.stringify(snapshot(victim)) === JSON.stringify(before)) continue;
      rmSync(join(victim, 'pwned'));
      return n;
    }
    return 0;
  };
  try {
    assert.notEqual(await won(weak, 3000), 0, [...refusals].join());
    assert.equal(await won(strong, 150), 0);
  } finally {
    child.kill();
    await ended;
  }
  assert.deepEqual(snapshot(victim), before);
});

test('a link anywhere on the way to a source is refused', { skip: needs.rootAndGcc }, async () => {
  const { range, workspace, victim, link, policy } = scene();
  using _ = range;
  range.directory('victim/deeper');
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('NO_LINKS')]);
  const attack = range.program('writer', writer);
  const { kind, job } = strong.prepare({ policy, argv: [attack, '/pwned'], workspace });
  for (const source of [link, join(link, 'deeper'), '/proc/self/root', '/proc/self/cwd']) {
    const flags = ['nosuid', 'nodev', 'idmap'] as const;
    const target = join(workspace, 'in');
    const bind: Mount = { kind: 'bind', source, target, flags };
    const reach = { ...job, argv: [attack, join(target, 'pwned')], mounts: [...job.mounts, bind] };
    const before = snapshot(victim);
    await assert.rejects(strong.run({ kind, job: reach }), {
      code: /JOB_|PATH_|LAUNCHER_|PLAN_|REQUEST_/,
    });
    assert.deepEqual(snapshot(victim), before);
    if (!source.startsWith(link)) continue;
    assert.equal((await weak.run({ kind, job: reach })).code, 0);
    assert.notDeepEqual(snapshot(victim), before);
    rmSync(join(source, 'pwned'));
  }
});

test('a mount point is never made in what belongs to the host', {
  skip: needs.rootAndGcc,
}, async () => {
  const { range, workspace, link, policy } = scene();
  using _ = range;
  await using wall = await Wall.open();
  const { kind, job } = wall.prepare({ policy, argv: ['/bin/true'], workspace });
  const before = snapshot(range.path);
  const bad: Mount[] = [
    {
      kind: 'tmpfs',
      target: join(workspace, 'new'),
      flags: [],
      bytes: 4096,
      inodes: 8,
      mode: 0o755,
    },
    { kind: 'tmpfs', target: join(link, 'new'), flags: [], bytes: 4096, inodes: 8, mode: 0o755 },
    { kind: 'tmpfs', target: link, flags: [], bytes: 4096, inodes: 8, mode: 0o755 },
    { kind: 'bind', source: workspace, target: join(workspace, 'new'), flags: [] },
    { kind: 'bind', source: workspace, target: link, flags: [] },
    { kind: 'directory', target: join(workspace, 'new'), mode: 0o755 },
    { kind: 'file', target: join(workspace, 'new'), content: 'x', mode: 0o644 },
    { kind: 'symlink', target: join(workspace, 'new'), to: '/' },
    { kind: 'readonly', target: link },
    { kind: 'readonly', target: join(link, 'x') },
  ];
  for (const mount of bad) {
    const wrong = { kind, job: { ...job, mounts: [...job.mounts, mount] } };
    await assert.rejects(wall.run(wrong), JSON.stringify(mount));
    assert.deepEqual(snapshot(range.path), before);
  }
});

const mounter = `
int main(int argc, char **argv) {
  mount("none", argv[1], "tmpfs", 0, NULL);
  int fd = open(argv[2], O_WRONLY | O_CREAT, 0644);
  return fd < 0;
}`;

test('what a guest mounts never reaches the host', { skip: needs.rootAndGcc }, async () => {
  const { range, workspace, inside, policy } = scene();
  using _ = range;
  await using strong = await Wall.open();
  await using weak = await Wall.open([weakLauncher('PRIVATE')]);
  const attack = range.program('mounter', mounter);
  const made = strong.prepare({ policy, argv: [attack, inside, join(inside, 'seen')], workspace });
  // With every right to mount, in a workspace that is a shared mount of the host.
  const able = without(made, 'seccomp', 'landlock', 'no capabilities');
  execFileSync('mount', ['--bind', workspace, workspace]);
  try {
    execFileSync('mount', ['--make-shared', workspace]);
    assert.equal((await weak.run(able)).code, 0);
    assert.equal(mountsBelow(inside).length, 1, 'the attack works where binds are not private');
    execFileSync('umount', [inside]);
    assert.equal((await strong.run(able)).code, 0);
    assert.deepEqual(mountsBelow(inside), []);
    assert.deepEqual(Object.keys(snapshot(inside)), ['.'], 'its file went into its own mount');
  } finally {
    execFileSync('umount', ['-R', workspace]);
  }
  // And as it is, it cannot mount at all: the file is in the workspace.
  assert.equal((await strong.run(made)).code, 0);
  assert.deepEqual(Object.keys(snapshot(inside)), ['.', 'seen']);
});

test('a directory on the way to a carve-out, renamed in one run for the next', {
  skip: needs.root,
}, async () => {
  const { range, workspace } = scene();
  using _ = range;
  await using wall = await Wall.open();
  const policy = {
    filesystem: { read: ['.', '!a/b/hidden'], write: ['.', '!a/b/hidden', '!a/b/fixed'] },
  };
  const sh = (line: string) => wall.prepare({ policy, argv: ['/bin/sh', '-c', line], workspace });
  // In the places that the plan knows, something harmless is put.
  const renaming = sh('mv a seen || mv a/b seen; mkdir -p a/b/hidden a/b/fixed');
  const looking = sh(
    'cat seen/hidden/secret seen/*/hidden/secret; echo changed >seen/fixed/f; echo changed >seen/b/fixed/f',
  );
  const result = async (pins: boolean): Promise<{ stdout: string; fixed: boolean }> => {
    rmSync(workspace, { recursive: true });
    range.file('work/a/b/hidden/secret', 'secret');
    range.file('work/a/b/fixed/f', 'fixed');
    for (const made of [renaming, looking]) {
      const mounts = made.job.mounts.filter(
        (mount) => pins || !('flags' in mount && mount.flags.includes('optional')),
      );
      const run = wall.run({ ...made, job: { ...made.job, mounts } });
      const { stdout } = await run;
      if (made === looking) {
        const fixed = JSON.stringify(snapshot(workspace)).includes(
          createHash('sha256').update('fixed').digest('hex').slice(0, 16),
        );
        return { stdout, fixed };
      }
    }
    return assert.fail();
  };
  const hidden = await result(true);
  assert.deepEqual(hidden, { stdout: '', fixed: true });
  const shown = await result(false);
  assert.equal(shown.stdout, 'secret');
  assert.equal(shown.fixed, false);
});
