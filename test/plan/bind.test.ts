import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isCaissonError } from '../../src/core/error.ts';
import { type BindInput, bindJob } from '../../src/plan/bind.ts';
import { compile } from '../../src/plan/compile.ts';
import type { HostFacts } from '../../src/plan/facts.ts';
import type { Mount } from '../../src/plan/plan.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { capableHost } from './made-up-facts.ts';

const workspace = '/home/ada/work';

function bound(
  document: Omit<PolicyDocument, 'version'>,
  input: Partial<BindInput> = {},
  facts: HostFacts = capableHost,
) {
  const policy = policyFromDocument({ version: 1, ...document });
  const { job } = compile(policy, facts, { workspace });
  return bindJob(job, { argv: ['true'], env: {}, workspace, ...input });
}

function throws(code: ErrorCode, run: () => unknown): void {
  assert.throws(run, (error) => isCaissonError(error) && error.code === code);
}

const shape = (mounts: readonly Mount[]) =>
  mounts.map((mount) => [mount.kind, mount.target, 'flags' in mount ? mount.flags.join() : '']);

test('the workspace shows at its own path, as its owner', () => {
  const job = bound({ level: 'moderate' });
  assert.deepEqual(job.mounts, [
    {
      kind: 'bind',
      source: workspace,
      target: workspace,
      flags: ['nosuid', 'nodev', 'idmap', 'recursive'],
    },
  ]);
  assert.equal(job.cwd, workspace);
  assert.equal(job.landlock[0]?.path, workspace);
});

test('without a workspace to see, the run begins in /tmp and needs none', () => {
  const job = bound({ level: 'strict' });
  assert.equal(job.cwd, '/tmp');
  assert.deepEqual(job.mounts, []);
});

test('directories that lead to a carve-out below what may be written are held where they are', () => {
  const job = bound({
    level: 'strict',
    filesystem: { read: ['.', '!a/b/k'], write: ['.', '!a/b/k', '!a/c'] },
  });
  const pin = 'nosuid,nodev,idmap,recursive,optional';
  assert.deepEqual(shape(job.mounts).slice(1), [
    ['bind', `${workspace}/a`, pin],
    ['bind', `${workspace}/a/b`, pin],
    ['mask', `${workspace}/a/b/k`, ''],
    ['bind', `${workspace}/a/c`, 'readonly,nosuid,nodev,recursive,idmap'],
  ]);
  assert.ok(job.landlock.every(({ path }) => path !== `${workspace}/a`));
  // Only what may be written can be renamed; and an overlay's changes pass through our hands.
  const read = bound({ level: 'strict', filesystem: { read: ['.', '!a/b'] } });
  assert.deepEqual(
    read.mounts.map(({ kind }) => kind),
    ['bind', 'mask'],
  );
  const overlay = bound(
    {
      level: 'strict',
      filesystem: { read: ['.', '!a/b'], write: ['.', '!a/b'], workspace: 'overlay' },
    },
    { overlay: { upper: '/state/upper', work: '/state/work' } },
  );
  assert.deepEqual(
    overlay.mounts.map(({ kind }) => kind),
    ['overlay', 'mask'],
  );
});

test('mounts come parents first, wherever the workspace lies among named paths', () => {
  const job = bound({
    level: 'moderate',
    filesystem: { read: ['/home/ada', '!/home/ada/.ssh', 'docs'], write: ['.', '!docs'] },
  });
  assert.deepEqual(
    job.mounts.map(({ kind, target }) => [kind, target]),
    [
      ['bind', '/home/ada'],
      ['mask', '/home/ada/.ssh'],
      ['bind', workspace],
      ['bind', `${workspace}/docs`],
    ],
  );
});

test('where idmapped mounts do not work, reading goes without and writing is left to be refused', () => {
  const facts = { ...capableHost, idmap: 22 };
  const job = bound({ filesystem: { read: ['/srv/in'], write: ['/srv/out'] } }, {}, facts);
  assert.deepEqual(shape(job.mounts), [
    ['bind', '/srv/in', 'readonly,nosuid,nodev,recursive'],
    ['bind', '/srv/out', 'nosuid,nodev,idmap,recursive'],
  ]);
});

test('an overlay takes the place of the workspace and needs its directories', () => {
  const document: Omit<PolicyDocument, 'version'> = {
    level: 'moderate',
    filesystem: { read: ['.'], write: ['.'], workspace: 'overlay' },
  };
  throws('REQUEST_INVALID', () => bound(document));
  const job = bound(document, { overlay: { upper: '/var/o/upper', work: '/var/o/work' } });
  assert.deepEqual(job.mounts[0], {
    kind: 'overlay',
    source: workspace,
    target: workspace,
    upper: '/var/o/upper',
    work: '/var/o/work',
    flags: ['nosuid', 'nodev', 'idmap'],
  });
});

test('protected paths: the directory above is pinned before what lies in it is made read-only', () => {
  const git = `${workspace}/.git`;
  const job = bound(
    { level: 'moderate' },
    { protect: { existing: [`${git}/hooks`, `${git}/config`], pinned: [git] } },
  );
  assert.deepEqual(
    job.mounts.map(({ kind, target }) => [kind, target]),
    [
      ['bind', workspace],
      ['bind', git],
      ['readonly', `${git}/config`],
      ['readonly', `${git}/hooks`],
    ],
  );
});

test('a toolchain is shown read-only, unless it shows already or is hidden by name', () => {
  const toolchain = {
    binds: [
      { source: '/home/ada/.nvm/v22', target: '/home/ada/.nvm/v22' },
      { source: '/usr/local/go', target: '/usr/local/go' },
      { source: `${workspace}/.venv`, target: `${workspace}/.venv` },
    ],
    path: ['/home/ada/.nvm/v22/bin'],
    env: [],
  };
  const job = bound(
    { level: 'moderate' },
    { toolchain, env: { PATH: '/home/ada/bin:/usr/games' } },
  );
  assert.deepEqual(shape(job.mounts), [
    ['bind', '/home/ada/.nvm/v22', 'readonly,nosuid,nodev,recursive'],
    ['bind', workspace, 'nosuid,nodev,idmap,recursive'],
  ]);
  const path = job.env.find(([name]) => name === 'PATH')?.[1] ?? '';
  assert.match(path, /^\/home\/ada\/\.nvm\/v22\/bin:\/usr\/games:\/usr\/local\/sbin:/);
  assert.doesNotMatch(path, /\/home\/ada\/bin/, 'what does not show inside is not on PATH');

  const hidden = bound(
    { level: 'moderate', filesystem: { read: ['/home/ada', '!/home/ada/.nvm'] } },
    { toolchain },
  );
  assert.ok(!hidden.mounts.some(({ target }) => target === '/home/ada/.nvm/v22'));
});

test('the environment: named ones alone, the set ones over them, the run over all', () => {
  const document = {
    environment: {
      pass: ['LANG', 'LC_*', '!LC_ALL', 'TOKEN'],
      set: { MODE: 'policy', TOKEN: 'x' },
    },
  };
  const env = {
    LANG: 'de_DE.UTF-8',
    LC_TIME: 'C',
    LC_ALL: 'C',
    TOKEN: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    HOME: '/home/ada',
  };
  const job = bound(document, { env, set: { MODE: 'run' } });
  const shown = Object.fromEntries(job.env);
  assert.equal(shown.LANG, 'de_DE.UTF-8');
  assert.equal(shown.LC_TIME, 'C');
  assert.equal(shown.LC_ALL, undefined);
  assert.equal(shown.TOKEN, 'x');
  assert.equal(shown.MODE, 'run');
  assert.equal(shown.HOME, '/tmp');
  assert.ok(!JSON.stringify(job.env).includes('secret'));
});

test('at level basic the environment is the caller’s own', () => {
  const job = bound({ level: 'basic' }, { env: { HOME: '/home/ada', PATH: '/x', A: '1' } });
  assert.deepEqual(job.env, [
    ['A', '1'],
    ['HOME', '/home/ada'],
    ['PATH', '/x'],
  ]);
});

for (const bad of ['/', '/proc/self', '/dev/shm', '/sys', 'relative', '/a/../b', '/a//b', '/a/']) {
  test(`${bad} is no workspace`, () => {
    throws('REQUEST_INVALID', () => bound({ level: 'moderate' }, { workspace: bad }));
  });
}

test('a plan without a place for the workspace says so before anything runs', () => {
  throws('PLAN_INVALID', () => bound({ level: 'moderate' }, { workspace: '/srv/elsewhere' }));
});

test('a NUL byte anywhere is refused', () => {
  throws('REQUEST_INVALID', () => bound({}, { argv: ['a\0b'] }));
  throws('REQUEST_INVALID', () => bound({}, { set: { A: 'x\0' } }));
  throws('REQUEST_INVALID', () => bound({}, { set: { 'A=B': 'x' } }));
  throws('REQUEST_INVALID', () => bound({}, { cwd: '/a\0' }));
  throws('REQUEST_INVALID', () => bound({ level: 'moderate' }, { workspace: '/a\0' }));
});

test('what shows below a hidden directory is mounted in an empty one of the sandbox, which is pinned as a mask is', () => {
  const job = bound({
    level: 'strict',
    filesystem: {
      read: ['/srv/a', '!/srv/a/b', '/srv/a/b/c/open', '.', '!x/y', 'x/y/z'],
      write: ['x', '!x/y'],
    },
  });
  assert.deepEqual(
    job.mounts.map(({ kind, target }) => [kind, target]),
    [
      ['bind', workspace],
      ['bind', `${workspace}/x`],
      ['tmpfs', `${workspace}/x/y`],
      ['bind', `${workspace}/x/y/z`],
      ['bind', '/srv/a'],
      ['tmpfs', '/srv/a/b'],
      ['bind', '/srv/a/b/c/open'],
    ],
  );
  const deeper = bound({
    level: 'strict',
    filesystem: { read: ['.', '!d/e/f', 'd/e/f/g'], write: ['.', '!d/e/f'] },
  });
  assert.deepEqual(
    deeper.mounts.map(({ kind, target }) => [kind, target.slice(workspace.length)]),
    [
      ['bind', ''],
      ['bind', '/d'],
      ['bind', '/d/e'],
      ['tmpfs', '/d/e/f'],
      ['bind', '/d/e/f/g'],
    ],
  );
});

test('directories that lead to an overlay below what is written directly are held where they are', () => {
  const filesystem = { write: ['/home/ada', '.'], workspace: 'overlay' as const };
  const inner = '/home/ada/a/b/work';
  const policy = policyFromDocument({ level: 'moderate', filesystem });
  const { job } = compile(policy, capableHost, { workspace: inner });
  const overlay = { upper: '/state/upper', work: '/state/work' };
  const bindings = { argv: ['true'], env: {}, workspace: inner, overlay };
  assert.deepEqual(
    bindJob(job, bindings).mounts.map(({ kind, target }) => [kind, target]),
    [
      ['bind', '/home/ada'],
      ['bind', '/home/ada/a'],
      ['bind', '/home/ada/a/b'],
      ['overlay', inner],
    ],
  );
});

test('a toolchain does not show where the policy hides by name, in a directory of its own or deeper', () => {
  const toolchain = {
    binds: [{ source: '/home/ada/.pyenv', target: '/home/ada/.pyenv' }],
    path: [],
    env: [],
  };
  const targets = (read: string[]) =>
    bound(
      { level: 'moderate', filesystem: { read, write: [] } },
      { toolchain },
      { ...capableHost, topLevel: ['/home', '/srv'] },
    ).mounts.flatMap(({ kind, target }) => (kind === 'bind' ? [target] : []));
  assert.ok(targets(['/srv']).includes('/home/ada/.pyenv'));
  for (const hidden of ['/home', '/home/ada', '/home/ada/.pyenv']) {
    assert.ok(!targets(['/', `!${hidden}`]).includes('/home/ada/.pyenv'), hidden);
  }
});
