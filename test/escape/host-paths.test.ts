/**
 * Paths of the host: what a policy or a request names with `..`, links, NUL bytes or newlines, what a link on the way leads
 * to, and what the guest reaches beyond what was named. Ablated: the mounts without Landlock and Landlock without the
 * mounts; and the workspace bound by its path as it was typed.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Caisson, isCaissonError, type PolicyDocument } from '../../src/index.ts';
import type { Mount } from '../../src/plan/plan.ts';
import { mountsBelow, needs, Range, snapshot, Wall, without } from './harness.ts';

const SECRET = 'secret of the host';
const writes: PolicyDocument = {
  version: 1,
  level: 'strict',
  filesystem: { read: ['.'], write: ['.'] },
};
const codes =
  (...expected: string[]) =>
  (error: unknown) => {
    assert.ok(isCaissonError(error), String(error));
    assert.ok(expected.includes(error.code), `${error.code}: ${error.message}`);
    assert.notEqual(error.hint, '');
    return true;
  };

test('what was not named is not there: by name, by .., through /proc, through links', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const workspace = range.directory('work/inner');
  const secret = range.file('secret', SECRET);
  range.file('work/secret', SECRET);
  symlinkSync('../../secret', join(workspace, 'link'));
  symlinkSync('/proc/1/root', join(workspace, 'root'));
  const program = range.program(
    'reach',
    `
static void try(const char *path) {
  char text[64] = "";
  int fd = open(path, O_RDONLY);
  if (fd >= 0 && read(fd, text, 63) > 0 && strcmp(text, "${SECRET}") == 0) printf("%s\\n", path);
}
int main(int argc, char **argv) {
  char path[600];
  const char *ways[] = {"%s", "../../secret", "../secret", "link", "root%s", "/proc/1/root%s", "/proc/self/root%s", "/proc/self/cwd/../../secret",
                        "/proc/1/cwd/%s", "/dev/fd/../root%s"};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) { snprintf(path, sizeof path, ways[i], argv[1]); try(path); }
  /* The way out of a chroot: a directory kept open, another root set, and up. */
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  mkdir("/tmp/jail", 0700);
  if (chroot("/tmp/jail") == 0) { fchdir(fd); for (int i = 0; i < 64; i++) chdir(".."); if (chroot(".") == 0) try(argv[1]); }
  return 0;
}`,
  );
  const policy = { filesystem: { read: ['.', join(range.path, 'bin')] } };
  const whole = wall.prepare({ policy, argv: [program, secret], workspace });
  const found = async (prepared: typeof whole) =>
    (await wall.run(prepared)).stdout.split('\n').filter(Boolean);

  // Ablated: the directory above is mounted as well, and no Landlock.
  const above: Mount = {
    kind: 'bind',
    source: range.path,
    target: range.path,
    flags: ['readonly', 'nosuid', 'nodev', 'recursive'],
  };
  const own = whole.job.mounts.filter((mount) => mount.target !== workspace);
  const mounted = {
    ...whole,
    job: {
      ...whole.job,
      mounts: [above, ...own.filter(({ target }) => target !== join(range.path, 'bin'))],
    },
  };
  const open = await found(without(mounted, 'landlock'));
  for (const way of [secret, '../../secret', '../secret', 'link'])
    assert.ok(open.includes(way), way);
  // Landlock alone. /tmp, below which all this lies, is the guest's own elsewhere: its rule is taken out with it.
  const { landlock } = mounted.kind;
  assert.ok(landlock);
  const paths = landlock.paths.filter(({ path }) => path !== '/tmp');
  const ruled = { ...mounted, kind: { ...mounted.kind, landlock: { ...landlock, paths } } };
  assert.deepEqual(await found(ruled), [], 'Landlock alone');
  assert.deepEqual(await found(without(whole, 'landlock')), [], 'the mounts alone');
  assert.deepEqual(
    await found(without(whole, 'landlock', 'seccomp', 'no capabilities')),
    [],
    'the mounts alone, with chroot(2) allowed',
  );
  assert.deepEqual(await found(whole), []);
});

test('read-only is read-only, and what is written goes where it was named alone', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  await using wall = await Wall.open();
  const workspace = range.directory('work');
  const readable = range.directory('readable');
  writeFileSync(join(readable, 'file'), 'before');
  const before = snapshot(range.path);
  const script = `
    for path in ${readable}/file ${readable}/new /usr/new /etc/passwd /etc/new /new /opt/new /lib/new /bin/new ${range.path}/new ${workspace}/../new /proc/sys/kernel/hostname; do
      if echo x 2>/dev/null > $path; then echo $path; fi
    done 2>/dev/null; rm -rf ${readable}/file 2>/dev/null; mv ${readable} ${readable}2 2>/dev/null; true`;
  const policy = { filesystem: { read: ['.', readable], write: ['.'] } };
  const whole = wall.prepare({ policy, argv: ['sh', '-c', script], workspace });
  const open = without(whole, 'readonly', 'landlock');
  const idmapped = {
    ...open,
    job: {
      ...open.job,
      mounts: open.job.mounts.map((mount) =>
        mount.kind === 'bind' && mount.target === readable
          ? {
              ...mount,
              flags: [...mount.flags.filter((flag) => flag !== 'idmap'), 'idmap' as const],
            }
          : mount,
      ),
    },
  };
  // Below /tmp all but the binds is a tmpfs of the guest's own; what counts is the host's side.
  const outside = async (prepared: typeof whole) =>
    (await wall.run(prepared)).stdout
      .split('\n')
      .filter((line) => line !== '' && line !== `${range.path}/new` && !line.includes('..'));
  assert.match((await wall.run(idmapped)).stdout, new RegExp(`^${readable}/file$`, 'm'));
  assert.equal(existsSync(join(readable, 'new')), true, 'ablated, the host was written');
  for (const name of readdirSync(readable)) (await import('node:fs')).rmSync(join(readable, name));
  writeFileSync(join(readable, 'file'), 'before');

  // Landlock alone. What it grants on /tmp holds for all below, so a read-only place there is for the mounts to keep.
  const { landlock } = whole.kind;
  assert.ok(landlock);
  const paths = landlock.paths.filter(({ path }) => path !== '/tmp');
  const ruled = without(whole, 'readonly');
  const alone = { ...ruled, kind: { ...ruled.kind, landlock: { ...landlock, paths } } };
  assert.deepEqual(await outside(alone), [], 'Landlock alone');
  assert.deepEqual(snapshot(range.path), before);
  assert.deepEqual(await outside(without(whole, 'landlock')), [], 'the mounts alone');
  assert.deepEqual(snapshot(range.path), before);
  assert.deepEqual(await outside(whole), []);
  assert.deepEqual(snapshot(range.path), before);
});

test('names that are no names: NUL, .., newlines, what is missing, what is no directory', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const file = range.file('file', 'x');
  const other = range.directory('other');
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const before = snapshot(range.path);
  const run = (options: object) => caisson.run(['true'], { policy: writes, workspace, ...options });
  const document = (filesystem: object) => ({
    policy: { version: 1, level: 'strict', filesystem },
  });

  await assert.rejects(
    run({ workspace: `${workspace}\0/..` }),
    codes('PATH_MISSING', 'REQUEST_INVALID'),
  );
  await assert.rejects(run({ workspace: file }), codes('PATH_MISSING'));
  await assert.rejects(run({ workspace: join(range.path, 'nowhere') }), codes('PATH_MISSING'));
  await assert.rejects(run({ workspace: '/' }), codes('REQUEST_INVALID'));
  await assert.rejects(run({ workspace: '/proc/self' }), codes('REQUEST_INVALID'));
  await assert.rejects(run({ cwd: 'a\0b' }), codes('REQUEST_INVALID'));
  await assert.rejects(
    run({ cwd: other }),
    codes('REQUEST_INVALID', 'PATH_MISSING', 'LAUNCHER_FAILED'),
  );
  await assert.rejects(
    run({ cwd: join(workspace, '../other') }),
    codes('REQUEST_INVALID', 'PATH_MISSING', 'LAUNCHER_FAILED'),
  );
  for (const bad of [
    '../..',
    './../x',
    'a/../../..',
    'a\0b',
    '',
    '/a\0',
    `${workspace}/../../../etc`,
  ]) {
    await assert.rejects(
      run(document({ read: ['.'], write: [bad] })),
      codes('POLICY_INVALID', 'PATH_ESCAPES'),
      JSON.stringify(bad),
    );
    await assert.rejects(
      run(document({ read: [bad] })),
      codes('POLICY_INVALID', 'PATH_ESCAPES'),
      JSON.stringify(bad),
    );
  }
  await assert.rejects(
    run(document({ read: ['.', join(range.path, 'nowhere')] })),
    codes('PATH_MISSING'),
  );
  assert.deepEqual(snapshot(range.path), before, 'nothing was made');
  assert.deepEqual(mountsBelow(range.path), []);
});

test('a workspace with a newline, a quote, a dollar, a comma or a colon is that directory', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  // Each of them means something in mountinfo, in overlay options, or to a shell.
  for (const name of [
    'a\nb',
    "a'b",
    'a"b',
    'a$HOME b',
    'a,upperdir=x',
    'a:b',
    'a\\012b',
    '-a',
    'a\\',
    'ü\u202e',
    `${'x'.repeat(200)}/${'y'.repeat(200)}`,
  ]) {
    const workspace = range.directory(`odd/${name}`);
    for (const mode of ['direct', 'overlay'] as const) {
      const policy: PolicyDocument = {
        version: 1,
        level: 'strict',
        filesystem: {
          read: ['.'],
          write: ['.'],
          ...(mode === 'overlay' ? { workspace: mode, apply: 'auto' } : {}),
        },
      };
      const ran = await caisson.run(['sh', '-c', `pwd; echo ${mode} > ${mode}`], {
        policy,
        workspace,
      });
      assert.equal(
        ran.stdout.text,
        `${workspace}\n`,
        `${mode} ${JSON.stringify(name)}: ${ran.stderr.text}`,
      );
      assert.equal(readFileSync(join(workspace, mode), 'utf8'), `${mode}\n`, JSON.stringify(name));
    }
  }
  assert.equal(readdirSync(join(range.path, 'odd')).length, 11, 'and no other');
  assert.deepEqual(mountsBelow(range.path), []);
});

test('a link in the place of a workspace or a named path is resolved once, before the policy is applied', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const home = range.directory('home');
  writeFileSync(join(home, 'secret'), SECRET);
  const real = range.directory('real');
  const link = join(range.path, 'link');
  symlinkSync(real, link);
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const run = (workspace: string, script: string) =>
    caisson.run(['sh', '-c', script], { policy: writes, workspace });
  const seen = await run(link, 'pwd; echo x > made');
  assert.equal(seen.stdout.text, `${real}\n`, 'it shows under its own name');
  assert.ok(existsSync(join(real, 'made')));

  // The guest puts a link where a later run's workspace is: below a directory that it can write.
  const outer = range.directory('outer');
  mkdirSync(join(outer, 'inner'));
  await run(outer, `rmdir inner; ln -s ${home} inner`);
  // Ablated: by its path it would be the home.
  assert.equal(readFileSync(join(outer, 'inner', 'secret'), 'utf8'), SECRET);
  await using wall = await Wall.open();
  const bound = wall.prepare({
    policy: { filesystem: { read: ['.'], write: ['.'] } },
    argv: ['cat', 'secret'],
    workspace: join(outer, 'inner'),
  });
  await assert.rejects(
    wall.run(bound),
    (error) =>
      isCaissonError(error) &&
      /ELOOP|symbolic/.test(`${error.message} ${JSON.stringify(error.details)}`),
    'the launcher follows no link of a source, wherever it stands',
  );
  // A person who names it means what it leads to: it is resolved, and shows under its true name.
  const named = await run(join(outer, 'inner'), 'pwd');
  assert.equal(named.stdout.text, `${home}\n`);

  // Exchanged between looking and binding: the launcher's own look is the last.
  const parent = range.directory('parent');
  mkdirSync(join(parent, 'work'));
  const late = wall.prepare({
    policy: { filesystem: { read: ['.'], write: ['.'] } },
    argv: ['cat', 'secret'],
    workspace: join(parent, 'work'),
  });
  assert.equal((await wall.run(late)).code, 1);
  renameSync(parent, `${parent}-was`);
  mkdirSync(join(home, 'work'));
  writeFileSync(join(home, 'work/secret'), SECRET);
  symlinkSync(home, parent);
  await assert.rejects(wall.run(late), isCaissonError);
});

test('what is carved out of what may be written is not made by the guest where it is not there', {
  skip: needs.rootAndGcc,
}, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const beside = range.directory('beside');
  const policy: PolicyDocument = {
    version: 1,
    level: 'strict',
    filesystem: { write: ['.', '!./hooks', beside, `!${beside}/hooks`] },
  };
  await using caisson = await Caisson.open();
  const make = (accept: string[] = []) =>
    caisson.run(
      ['sh', '-c', `for d in . ${beside}; do mkdir -p $d/hooks; echo evil > $d/hooks/run; done`],
      { policy, workspace, accept },
    );
  await assert.rejects(make(), codes('UNENFORCEABLE'));
  assert.deepEqual([readdirSync(workspace), readdirSync(beside)], [[], []]);
  // Ablated: who accepts it gets what it says.
  assert.equal((await make(['filesystem.write:missing'])).code, 0);
  assert.equal(readFileSync(join(beside, 'hooks/run'), 'utf8'), 'evil\n');
  for (const directory of [workspace, beside])
    writeFileSync(join(directory, 'hooks/run'), 'ours\n');
  await make();
  for (const directory of [workspace, beside]) {
    assert.equal(readFileSync(join(directory, 'hooks/run'), 'utf8'), 'ours\n');
  }
});
