/**
 * Reading what a staged workspace does not name, and bringing out what it may not write. Ablated: the same commands with
 * the workspace bound as it is.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Applied, Caisson, type PolicyDocument, type Sandbox } from '../../src/index.ts';
import { needs, Range } from './harness.ts';

const ATTACK = 'cat secret; ls -A . sub; echo out > made; echo out > sneaked; echo bad > input';

function policy(filesystem: PolicyDocument['filesystem']): PolicyDocument {
  return { version: 1, level: 'strict', filesystem };
}

const staged = policy({
  read: ['input', 'sub/named', 'link'],
  write: ['made', 'later/new'],
  workspace: 'staged',
  apply: 'auto',
});

function place(range: Range): string {
  const workspace = range.directory('work');
  range.file('work/input', 'input\n', 0o640);
  range.file('work/secret', 'of nobody else\n');
  range.file('work/sub/named', 'named\n');
  range.file('work/sub/unnamed', 'unnamed\n');
  symlinkSync('secret', join(workspace, 'link'));
  utimesSync(join(workspace, 'input'), 1_700_000_000, 1_700_000_000.5);
  return workspace;
}

test('what is not named is not there, and what is not an output stays inside', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = place(range);
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const outcome = await caisson.run(['sh', '-c', ATTACK], { policy: staged, workspace });

  assert.doesNotMatch(outcome.stdout.text, /of nobody else|unnamed|secret/);
  assert.match(outcome.stderr.text, /secret: No such file/);
  assert.equal(readFileSync(join(workspace, 'made'), 'utf8'), 'out\n');
  assert.equal(existsSync(join(workspace, 'sneaked')), false);
  assert.equal(readFileSync(join(workspace, 'input'), 'utf8'), 'input\n');
  assert.equal(outcome.changes?.applied, 1);
  assert.equal(outcome.changes?.kept, 2);
  const [violation] = outcome.violations.filter(({ kind }) => kind === 'file');
  assert.deepEqual(violation?.details?.paths, ['input', 'sneaked']);
});

test('ablated: with the workspace as it is, the same commands read and write', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = place(range);
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const open = policy({ read: ['.'], write: ['.'] });
  const outcome = await caisson.run(['sh', '-c', ATTACK], { policy: open, workspace });

  assert.match(outcome.stdout.text, /of nobody else/);
  assert.equal(readFileSync(join(workspace, 'sneaked'), 'utf8'), 'out\n');
  assert.equal(readFileSync(join(workspace, 'input'), 'utf8'), 'bad\n');
});

test('copies keep mode and time; a link stays a link and leads to nothing that is not named', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = place(range);
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const script =
    'stat -c "%a %Y" input; readlink link; cat link; mkdir later && echo x > later/new';
  const outcome = await caisson.run(['sh', '-c', script], { policy: staged, workspace });

  assert.equal(outcome.stdout.text, '640 1700000000\nsecret\n');
  assert.match(outcome.stderr.text, /link: No such file/);
  assert.equal(readFileSync(join(workspace, 'later/new'), 'utf8'), 'x\n');
  assert.equal(statSync(join(workspace, 'input')).mtimeMs, 1_700_000_000_500);
});

test('a named path that is missing, or behind a link, is refused by name', {
  skip: needs.root,
}, async () => {
  using range = new Range();
  const workspace = place(range);
  symlinkSync('sub', join(workspace, 'other'));
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  for (const [read, code] of [
    ['gone', 'PATH_MISSING'],
    ['other/named', 'PATH_ESCAPES'],
  ] as const) {
    const one = policy({ read: [read], workspace: 'staged', apply: 'auto' });
    await assert.rejects(caisson.run(['true'], { policy: one, workspace }), {
      code,
      message: new RegExp(read),
    });
  }
});

const HAND =
  'echo out > made; echo out > sneaked; echo bad > input; mkdir later; echo x > later/new';

test('applied by hand, from a sandbox that stays, its copy or later, the same comes out and no more', {
  skip: needs.root,
}, async () => {
  const { apply: _, ...byHand } = { ...staged.filesystem };
  const ways: Record<string, (sandbox: Sandbox, caisson: Caisson) => Promise<Applied>> = {
    sandbox: (sandbox) => sandbox.apply({ skipProtected: true }),
    changes: async (sandbox) => (await sandbox.changes()).apply(),
    fork: async (sandbox) => {
      await using twin = await sandbox.fork();
      return await twin.apply();
    },
    later: async (sandbox, caisson) => {
      const id = sandbox.keepChanges();
      await sandbox.close();
      return await (await caisson.changes(id)).apply({
        only: ['made', 'later', 'input', 'sneaked'],
      });
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    using range = new Range();
    const workspace = place(range);
    await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
    await using sandbox = await caisson.create({ policy: policy(byHand), workspace });
    await sandbox.exec(['sh', '-c', HAND]);
    const { applied, skipped } = await way(sandbox, caisson);

    assert.equal(readFileSync(join(workspace, 'made'), 'utf8'), 'out\n', name);
    assert.equal(readFileSync(join(workspace, 'later/new'), 'utf8'), 'x\n', name);
    assert.equal(existsSync(join(workspace, 'sneaked')), false, name);
    assert.equal(readFileSync(join(workspace, 'input'), 'utf8'), 'input\n', name);
    assert.deepEqual(
      applied.map(({ path }) => path),
      ['later', 'later/new', 'made'],
      name,
    );
    assert.deepEqual(
      skipped.map(({ path }) => path),
      ['input', 'sneaked'],
      name,
    );
  }
});

test('a directory on the way to an output takes nothing away', { skip: needs.root }, async () => {
  using range = new Range();
  const workspace = place(range);
  range.file('work/blocked', 'a file of yours\n');
  await using caisson = await Caisson.open({ stateDirectory: join(range.path, 'state') });
  const filesystem = { ...staged.filesystem, write: ['sub/new', 'blocked/new'] };
  // `blocked` is not shown, so the guest may make a directory of that name.
  const script =
    'mkdir blocked; echo x > blocked/new; rm -r sub; mkdir -m 777 sub; echo x > sub/new';
  const outcome = await caisson.run(['sh', '-c', script], {
    policy: policy(filesystem),
    workspace,
  });

  assert.equal(outcome.stderr.text, '');
  assert.equal(readFileSync(join(workspace, 'blocked'), 'utf8'), 'a file of yours\n');
  assert.equal(readFileSync(join(workspace, 'sub/named'), 'utf8'), 'named\n');
  assert.equal(readFileSync(join(workspace, 'sub/unnamed'), 'utf8'), 'unnamed\n');
  assert.equal(statSync(join(workspace, 'sub')).mode & 0o777, 0o755);
});
