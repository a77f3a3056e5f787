/** Names in a shared /tmp: what one user or sandbox plants there, another one follows, reads or overwrites. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson } from '../../src/index.ts';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { Job, KindPlan } from '../../src/plan/plan.ts';
import { firstOutput, needs, ORDINARY, Range, snapshot, Wall, without } from './harness.ts';

/** Writes through a name that somebody may have planted, and says what it found there. */
const victim = `
int main(int argc, char **argv) {
  char seen[64] = "";
  int fd = open(argv[1], O_RDWR | O_CREAT, 0666);
  if (fd >= 0 && read(fd, seen, sizeof seen - 1) >= 0) pwrite(fd, argv[2], strlen(argv[2]), 0);
  printf("%s\\n", seen);
  fflush(stdout);
  if (argc > 3) pause();
  return 0;
}`;

/** As the plan, with a directory of the host in place of the sandbox's own /tmp. */
function shared({ kind, job }: { kind: KindPlan; job: Job }, directory: string) {
  const flags = ['nosuid', 'nodev', 'idmap', 'recursive'] as const;
  const mounts = kind.mounts.filter(({ target }) => target !== '/tmp');
  return {
    kind: {
      ...kind,
      mounts: [...mounts, { kind: 'directory', target: '/tmp', mode: 0o755 } as const],
    },
    job: {
      ...job,
      mounts: [{ kind: 'bind', source: directory, target: '/tmp', flags } as const, ...job.mounts],
    },
  };
}

test('a file of the host behind a link in /tmp', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const host = range.directory('host', 0o1777);
  const program = range.program('victim', victim);
  const target = range.file('host/target', 'untouched');
  symlinkSync('target', join(host, 'caisson-known'));
  await using wall = await Wall.open();
  const argv = ['/root/victim', '/tmp/caisson-known', 'overwritten'];
  const { kind, job } = wall.prepare({ argv });
  // Not below /tmp, which is what this is about.
  const bind = { kind: 'bind', source: program, target: '/root/victim', flags: [] } as const;
  const made = {
    kind: { ...kind, scaffold: [...new Set([...kind.scaffold, '/root'])] },
    job: { ...job, mounts: [...job.mounts, bind] },
  };
  const plain = without(made, 'landlock');
  await wall.run(shared(plain, host));
  assert.equal(readFileSync(target, 'utf8'), 'overwritten');
  range.file('host/target', 'untouched');
  const before = snapshot(host);
  assert.equal((await wall.run(plain)).stdout, '\n');
  assert.deepEqual(snapshot(host), before);
  assert.ok(!existsSync('/tmp/caisson-known'));
});

test('two sandboxes at once, one name', { skip: needs.rootAndGcc }, async () => {
  using range = new Range();
  const host = range.directory('host', 0o1777);
  const bin = join(range.path, 'bin');
  const program = range.program('victim', victim);
  await using wall = await Wall.open();
  for (const directory of ['/tmp', '/var/tmp', '/dev/shm']) {
    const argv = [program, `${directory}/caisson-known`, 'planted', 'stay'];
    const made = wall.prepare({
      policy: { filesystem: { read: [bin] } },
      argv,
      job: { stdout: 'stream' },
    });
    /** What the second finds that the first has left. */
    const found = async ({ kind, job }: { kind: KindPlan; job: Job }): Promise<string> => {
      const plan = wall.client.preparePlan(encodePlan(kind));
      const first = wall.client.spawn(plan, job);
      await firstOutput(first);
      const second = wall.client.spawn(plan, job);
      const seen = (await firstOutput(second)).toString().trim();
      first.kill();
      second.kill();
      await Promise.all([first.result, second.result]);
      // Nor does the next one in the same slot.
      const third = wall.client.spawn(plan, job);
      const later = (await firstOutput(third)).toString().trim();
      third.kill();
      await third.result;
      return seen + later;
    };
    const flags = ['nosuid', 'nodev', 'idmap'] as const;
    const bind = { kind: 'bind', source: host, target: `${directory}/common`, flags } as const;
    const common = without(made, 'landlock');
    const together = {
      kind: common.kind,
      job: {
        ...common.job,
        mounts: [...common.job.mounts, bind],
        argv: [program, `${directory}/common/known`, 'planted', 'stay'],
      },
    };
    assert.match(await found(together), /planted/);
    assert.equal(await found(made), '');
    range.file('host/known', '');
  }
});

test('a launcher that runs leaves no name in /tmp', { skip: needs.root }, async () => {
  using range = new Range();
  const tmp = range.directory('tmp', 0o1777);
  // Through a descriptor: this clone may itself lie below /tmp.
  const line = `exec 9<"$0"; mount --bind ${tmp} /var/tmp; mount --bind ${tmp} /tmp; exec /proc/self/fd/9 serve`;
  await using wall = await Wall.open([
    'unshare',
    '--mount',
    'sh',
    '-ec',
    line,
    locateLauncher().path,
  ]);
  const before = statSync(tmp, { bigint: true });
  for (let round = 0; round < 5; round++) {
    const { stdout } = await wall.run(
      wall.prepare({ argv: ['/bin/sh', '-c', 'echo x >/tmp/x; cat /tmp/x'] }),
    );
    assert.equal(stdout, 'x\n');
  }
  const after = statSync(tmp, { bigint: true });
  // Not even for a moment: making and removing a name both change the time.
  assert.deepEqual([after.mtimeNs, after.ctimeNs], [before.mtimeNs, before.ctimeNs]);
});

test('a state directory that somebody else made first', { skip: needs.root }, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const trap = range.directory('trap', 0o777);
  const policy = {
    version: 1,
    level: 'strict',
    filesystem: { read: ['.'], write: ['.'], workspace: 'overlay', apply: 'manual' },
  } as const;
  const run = async (stateDirectory: string): Promise<void> => {
    await using caisson = await Caisson.open({ stateDirectory });
    await caisson.run(['sh', '-c', 'echo secret >file'], { policy, workspace });
  };
  const link = join(range.path, 'link');
  symlinkSync(trap, link);
  const open = range.directory('open', 0o777);
  const theirs = range.directory('theirs', 0o700);
  chownSync(theirs, ORDINARY, ORDINARY);
  for (const planted of [link, open, theirs]) {
    await assert.rejects(run(planted), { code: 'PATH_ESCAPES' });
    assert.deepEqual(Object.keys(snapshot(planted === link ? trap : planted)), ['.']);
  }
  // The same directory, of the caller alone, is taken: it was the check that refused.
  const own = join(range.path, 'own');
  mkdirSync(own);
  chmodSync(own, 0o700);
  await run(own);
  const kept = Object.keys(snapshot(own));
  assert.ok(
    kept.some((name) => name.endsWith('/file')),
    kept.join(),
  );
});
