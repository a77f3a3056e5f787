/**
 * Taking over what later runs as the person: a policy or plan planted where the guest can write, `.git` renamed away and
 * replaced, a written `.git/config` (fsmonitor, hooksPath, filters), hooks, worktrees.
 * Ablated: the same without protection; then `git status` of the person runs the guest's program.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Caisson, type PolicyDocument } from '../../src/index.ts';
import { needs, Range, snapshot } from './harness.ts';

const skip =
  needs.root !== false
    ? needs.root
    : spawnSync('git', ['--version']).error
      ? 'git is not installed'
      : false;
const main = join(import.meta.dirname, '../../src/cli/main.ts');

/** Ways to make the person's next `git status` or `git commit` run a program; each in a shell, inside the workspace. */
const ways: Readonly<Record<string, string>> = {
  fsmonitor: 'printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> .git/config',
  hooksPath: 'printf "[core]\\n\\thooksPath = $PWD/planted\\n" >> .git/config',
  hook: 'mkdir -p .git/hooks; cp evil .git/hooks/pre-commit',
  'hooks renamed': 'mv .git/hooks .git/old; mkdir .git/hooks; cp evil .git/hooks/pre-commit',
  '.git replaced':
    'mv .git .was; cp -r .was .git; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> .git/config',
  '.git a file':
    'mv .git elsewhere; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> elsewhere/config; echo "gitdir: elsewhere" > .git',
  '.git a link':
    'mv .git elsewhere; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> elsewhere/config; ln -s elsewhere .git',
  'config renamed':
    'cp .git/config c; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> c; mv c .git/config',
  'config linked': 'ln .git/config c; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> c',
  commondir:
    'cp -r .git common; printf "[core]\\n\\tfsmonitor = $PWD/evil\\n" >> common/config; echo "$PWD/common" > .git/commondir',
};

interface Repository {
  readonly workspace: string;
  /** What the person does next; true when the guest's program ran in it. */
  readonly falls: () => boolean;
}

function repository(range: Range, name: string): Repository {
  const workspace = range.directory(name);
  const git = (...argv: string[]) =>
    spawnSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...argv], {
      cwd: workspace,
      env: { PATH: process.env.PATH, HOME: range.path, GIT_CONFIG_NOSYSTEM: '1' },
      encoding: 'utf8',
    });
  assert.equal(git('init', '-q', '.').status, 0);
  writeFileSync(join(workspace, 'file'), 'x\n');
  git('add', '.');
  git('commit', '-qm', 'first');
  const sign = join(range.path, `${name}-ran`);
  const evil = `#!/bin/sh\ntouch ${sign}\n`;
  range.file(`${name}/evil`, evil, 0o755);
  range.file(`${name}/planted/pre-commit`, evil, 0o755);
  return {
    workspace,
    falls: () => {
      git('status');
      git('commit', '-q', '--allow-empty', '-m', 'next');
      const ran = existsSync(sign);
      if (ran) execFileSync('rm', [sign]);
      return ran;
    },
  };
}

const writes = (more: object): PolicyDocument => ({
  version: 1,
  level: 'moderate',
  filesystem: { read: ['.'], write: ['.'], ...more },
});
const protect = ['.git/config', '.git/hooks', '.git/commondir'];

for (const [name, script] of Object.entries(ways)) {
  test(`git, ${name}: the person's next command is not the guest's`, { skip }, async () => {
    using range = new Range();
    await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
    const run = (policy: PolicyDocument | 'agent', workspace: string) =>
      caisson.run(['sh', '-c', script], {
        policy,
        workspace,
        ...(policy === 'agent' ? {} : { accept: ['filesystem.protect:direct'] }),
      });

    const open = repository(range, 'open');
    assert.equal(open.falls(), false);
    await run(writes({}), open.workspace);
    assert.equal(open.falls(), true, 'unprotected, it works');

    const direct = repository(range, 'direct');
    // What does not exist yet no bind can hold: the refusal says so, and here it is made to exist.
    if (name === 'commondir') writeFileSync(join(direct.workspace, '.git/commondir'), '.\n');
    const held = () => {
      const all = Object.entries(snapshot(join(direct.workspace, '.git')));
      return all.filter(([path]) => /^(?:config|hooks|HEAD|commondir)/.test(path));
    };
    const before = held();
    await run(writes({ protect }), direct.workspace);
    assert.deepEqual(held(), before, 'binds');
    assert.equal(direct.falls(), false, 'binds');

    const overlaid = repository(range, 'overlaid');
    await run('agent', overlaid.workspace);
    assert.equal(overlaid.falls(), false, 'overlay');
  });
}

test('in an overlay the same holds when the person rewrites the file meanwhile', {
  skip,
}, async () => {
  using range = new Range();
  const { workspace, falls } = repository(range, 'work');
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  await using sandbox = await caisson.create({ policy: 'agent', workspace });
  // git writes its configuration beside it and renames: a mount on the old file goes with the old file.
  execFileSync('git', ['config', 'user.name', 'somebody'], { cwd: workspace });
  await sandbox.exec(['sh', '-c', ways.fsmonitor ?? '']);
  await sandbox.apply({ skipProtected: true }).catch(() => {});
  assert.equal(falls(), false);
});

test('what an agent should do with git, it can', { skip }, async () => {
  using range = new Range();
  const { workspace, falls } = repository(range, 'work');
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const script =
    'git config --get core.bare && git checkout -q -b topic && echo y > file && git -c user.name=g -c user.email=g@g commit -qam topic && git stash list && git log --oneline | wc -l';
  const outcome = await caisson.run(['sh', '-c', script], { policy: 'agent', workspace });
  assert.equal(outcome.code, 0, outcome.stderr.text);
  assert.equal(falls(), false);
  const branches = execFileSync('git', ['branch', '--format=%(refname:short)'], {
    cwd: workspace,
    encoding: 'utf8',
  });
  assert.match(branches, /^topic$/m);
});

test('no policy, plan or state is picked up from where the guest can write', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const loot = range.file('home/loot', 'loot', 0o600);
  const wide = `version: 1\nlevel: none\nallowUnisolated: true\nfilesystem: {read: [/], write: [/]}\n`;
  const names = [
    'caisson.yaml',
    'caisson.yml',
    'caisson.json',
    '.caisson.yaml',
    '.caisson/policy.yaml',
    'policy.yaml',
    '.config/caisson/policy.yaml',
    'package.json',
    'strict',
    'agent',
    'strict.yaml',
  ];
  for (const name of names) {
    mkdirSync(dirname(join(workspace, name)), { recursive: true });
    writeFileSync(
      join(workspace, name),
      name === 'package.json' ? '{"caisson":{"level":"none"}}' : wide,
    );
  }
  writeFileSync(join(workspace, '.env'), 'CAISSON_POLICY=caisson.yaml\nCAISSON_LEVEL=none\n');
  const cli = (...argv: string[]) =>
    spawnSync(process.execPath, [main, ...argv], {
      cwd: workspace,
      encoding: 'utf8',
      env: {
        PATH: process.env.PATH,
        HOME: range.path,
        CAISSON_POLICY: join(workspace, 'caisson.yaml'),
        CAISSON_LEVEL: 'none',
        CAISSON_LAUNCHER: join(workspace, 'launcher'),
        NODE_ENV: 'production',
      },
    });
  // Ablated: named by the person, such a file is what it says, and then it is refused or obeyed.
  const named = cli('run', '--policy', 'caisson.yaml', '--', 'cat', loot);
  assert.notEqual(named.status, 0, 'allowUnisolated is no key of a policy');
  const reads = join(workspace, 'reads.yaml');
  writeFileSync(reads, `version: 1\nlevel: strict\nfilesystem: {read: [${range.path}/home]}\n`);
  assert.equal(
    cli('run', '--policy', reads, '--', 'cat', loot).stdout,
    'loot',
    'by name it counts',
  );

  for (const flags of [[], ['--level', 'strict'], ['--profile', 'agent'], ['--read', '.']]) {
    const ran = cli('run', ...flags, '--', 'cat', loot);
    assert.equal(ran.stdout, '', flags.join(' '));
    assert.match(ran.stderr, /No such file/, flags.join(' '));
  }

  // A run cannot change the policy of the next: the file is as it was read, and inside it is read-only.
  const policy = join(workspace, 'own.yaml');
  writeFileSync(policy, 'version: 1\nlevel: strict\nfilesystem: {read: [.], write: [.]}\n');
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  assert.ok(caisson);
  // Twice: the second time may take the short way of a plan that is remembered.
  for (const _ of [1, 2]) {
    const ran = cli(
      'run',
      '--policy',
      'own.yaml',
      '--',
      'sh',
      '-c',
      `echo "filesystem: {read: [/]}" >> own.yaml; cat ${loot}`,
    );
    assert.equal(ran.stdout, '');
  }
  assert.match(
    readFileSync(policy, 'utf8'),
    /^version: 1\nlevel: strict\nfilesystem: \{read: \[\.\], write: \[\.\]\}\n$/,
    'the policy file itself is held',
  );
});

test('a state directory that others can write is refused, and so is a link in its place', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = range.directory('work');
  const policy = writes({ workspace: 'overlay', apply: 'manual' });
  const ran = (state: string) =>
    Caisson.open({ stateDirectory: state }).then(async (caisson) => {
      await using open = caisson;
      return await open.run(['true'], { policy, workspace });
    });
  await ran(join(range.path, 'fine'));
  await assert.rejects(ran(range.directory('wide', 0o777)), { code: 'PATH_ESCAPES' });
  const target = range.directory('target', 0o700);
  renameSync(target, `${target}s`);
  symlinkSync(`${target}s`, join(range.path, 'linked'));
  await assert.rejects(ran(join(range.path, 'linked')), { code: 'PATH_ESCAPES' });
});
