/**
 * Git in a worktree, whose repository lies outside of the workspace: it works, what it writes comes out by the overlay,
 * and what the host's git would run or believe later stays as it is.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Caisson } from '../../src/compose.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'caisson-')));
const caisson = await Caisson.open({ stateDirectory: join(base, 'state') });
after(async () => {
  await caisson.close();
  rmSync(base, { recursive: true });
});

const git = (cwd: string, ...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: base },
  });

function stage(name: string): { main: string; tree: string } {
  const main = join(base, name);
  const tree = join(base, `${name}-tree`);
  mkdirSync(main);
  git(main, 'init', '-q', '-b', 'main');
  writeFileSync(join(main, 'file'), 'one\n');
  git(main, 'add', '.');
  git(main, 'commit', '-qm', 'first');
  git(main, 'worktree', 'add', '-q', '-b', 'topic', tree);
  return { main, tree };
}

const who = ['-c', 'user.name=g', '-c', 'user.email=g@g'];

test('commit, branch, checkout and stash in a worktree come out with the changes', async () => {
  const { main, tree } = stage('work');
  const script = `set -e
    echo two >> file; git ${who.join(' ')} commit -qam second
    git branch side; git checkout -q -b other; git checkout -q topic
    echo three >> file; git ${who.join(' ')} stash -q; git stash pop -q; git checkout -q file
    git status --porcelain; git log --format=%s`;
  const outcome = await caisson.run(['sh', '-c', script], { policy: 'agent', workspace: tree });
  assert.equal(outcome.stdout.text, 'second\nfirst\n', outcome.stderr.text);
  assert.deepEqual(outcome.changes?.kept, 0, JSON.stringify(outcome.changes));
  assert.equal(git(main, 'log', '--format=%s', 'topic'), 'second\nfirst\n');
  assert.match(git(main, 'branch', '--list'), /other\n.*side\n/s);
  assert.equal(git(tree, 'status', '--porcelain'), '');
  git(main, 'fsck', '--strict');
  assert.equal(git(main, 'status', '--porcelain'), '', 'the main tree is as it was');
});

test("what the repository's owner would run later cannot be planted", async () => {
  const { main, tree } = stage('held');
  const config = readFileSync(join(main, '.git/config'), 'utf8');
  const script = `
    g=${main}/.git
    git config core.fsmonitor /tmp/x; echo x >> $g/config
    echo x > $g/hooks/post-checkout; mv $g/hooks $g/h2; mkdir $g/hooks; echo x > $g/hooks/pre-commit
    echo /tmp > $g/commondir; echo x > $g/config.worktree
    for w in $g/worktrees/*; do echo /tmp > $w/commondir; echo x > $w/config.worktree; done
    echo ${main} > .git; echo fine > file`;
  const outcome = await caisson.run(['sh', '-c', script], { policy: 'agent', workspace: tree });
  assert.equal(outcome.kind, 'exited');
  assert.equal(readFileSync(join(main, '.git/config'), 'utf8'), config);
  for (const planted of ['hooks/post-checkout', 'hooks/pre-commit', 'commondir', 'config.worktree'])
    assert.ok(!existsSync(join(main, '.git', planted)), planted);
  assert.equal(git(tree, 'rev-parse', '--git-common-dir').trim(), join(main, '.git'));
  assert.ok(!existsSync(join(main, '.git/worktrees/held-tree/config.worktree')));
  assert.equal(readFileSync(join(main, '.git/worktrees/held-tree/commondir'), 'utf8'), '../..\n');
  assert.match(readFileSync(join(tree, '.git'), 'utf8'), /^gitdir: /);

  // Its own place in the repository it may spoil, as it may its files; not make it lead elsewhere.
  const spoil = `cd ${main}/.git/worktrees; mv held-tree x; mkdir held-tree; echo /tmp > held-tree/commondir`;
  await caisson.run(['sh', '-c', spoil], { policy: 'agent', workspace: tree });
  assert.equal(readFileSync(join(main, '.git/worktrees/held-tree/commondir'), 'utf8'), '../..\n');
});

test('a .git file that names another directory shows nothing of it', async () => {
  const secret = join(base, 'secret');
  mkdirSync(join(secret, 'worktrees/x'), { recursive: true });
  writeFileSync(join(secret, 'key'), 'hidden');
  writeFileSync(join(secret, 'worktrees/x/commondir'), '../..\n');
  writeFileSync(join(secret, 'worktrees/x/gitdir'), `${base}/elsewhere/.git\n`);
  const tree = join(base, 'lying');
  mkdirSync(tree);
  writeFileSync(join(tree, '.git'), `gitdir: ${secret}/worktrees/x\n`);
  const outcome = await caisson.run(['cat', join(secret, 'key')], {
    policy: 'agent',
    workspace: tree,
  });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr.text, /No such file/);
});

test('a policy that only reads gets the repository read-only', async () => {
  const { main, tree } = stage('looked-at');
  const outcome = await caisson.run(
    ['sh', '-c', `git log --format=%s; echo x > ${main}/.git/HEAD`],
    {
      policy: 'readonly',
      workspace: tree,
    },
  );
  assert.equal(outcome.stdout.text, 'first\n', outcome.stderr.text);
  assert.match(outcome.stderr.text, /Read-only file system/);
  const { notes } = await caisson.explain('readonly', { workspace: tree });
  assert.ok(notes.some((note) => note.includes(`repository ${main}/.git shows too, read-only`)));
});

test('a sandbox that stays is forked with both its layers', async () => {
  const { main, tree } = stage('kept');
  await using sandbox = await caisson.create({ policy: 'agent', workspace: tree });
  await sandbox.exec(['sh', '-c', `echo two > file; git ${who.join(' ')} commit -qam second`]);
  await using twin = await sandbox.fork();
  const log = await twin.exec(['git', 'log', '--format=%s']);
  assert.equal(log.stdout.text, 'second\nfirst\n', log.stderr.text);
  assert.equal(git(main, 'log', '--format=%s', 'topic'), 'first\n');
  const changes = await sandbox.changes();
  assert.ok(changes.entries.some(({ path }) => path === `${main}/.git/refs/heads/topic`));
  assert.match(await changes.diff(), /refs\/heads\/topic/);
  await sandbox.apply({ skipProtected: true });
  assert.equal(git(main, 'log', '--format=%s', 'topic'), 'second\nfirst\n');
});
