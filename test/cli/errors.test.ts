/** What goes wrong, as a person and as a program sees it. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { quoteForShell, renderError, withAccept } from '../../src/cli/report-error.ts';
import { CaissonError } from '../../src/core/error.ts';
import { makePlace } from './caisson.ts';

test('a policy error says file, line and column, and what was meant; --json says the same', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'p.yaml'), 'version: 1\nlimits:\n  memroy: 1GiB\n');
  const { status, stdout, stderr } = place.caisson(['run', '--policy', 'p.yaml', '--', 'true']);
  assert.equal(status, 64);
  assert.equal(stdout, '');
  assert.match(stderr, /^caisson: p\.yaml:3:3: limits\.memroy: unknown key/);
  assert.match(stderr, /did you mean memory\?/);

  const json = place.caisson([
    'run',
    '--json',
    '--policy',
    'p.yaml',
    '--timeout',
    '5s',
    '--',
    'true',
  ]);
  assert.equal(json.status, 64);
  const { error } = JSON.parse(json.stdout) as {
    error: { code: string; details: { problems: unknown[] } };
  };
  assert.equal(error.code, 'POLICY_INVALID');
  assert.deepEqual(error.details.problems[0], {
    path: 'limits.memroy',
    source: 'p.yaml',
    line: 3,
    column: 3,
    message: 'unknown key',
    suggestion: 'did you mean memory?',
  });
});

test('a file that is extended is found from the file that names it', () => {
  using place = makePlace();
  mkdirSync(join(place.work, 'deep'));
  writeFileSync(join(place.work, 'deep/a.yaml'), 'extends: ./b.yaml\n');
  writeFileSync(join(place.work, 'deep/b.yaml'), 'level: moderate\nlimits:\n  timeout: 7s\n');
  const shown = place.caisson(['policy', 'show', 'deep/a.yaml', '--memory', '64MiB', '--json']);
  const { policy } = JSON.parse(shown.stdout) as { policy: { level: string; limits: object } };
  assert.equal(policy.level, 'moderate');
  assert.deepEqual({ ...policy.limits }, { ...policy.limits, timeout: '7s', memory: '64MiB' });
});

test('a policy that is not there, a directory, a profile taken for a file', () => {
  using place = makePlace();
  for (const [file, says] of [
    ['nope.yaml', /nope\.yaml cannot be read: there is no such file/],
    ['.', /cannot be read: it is not a file/],
    ['/dev/zero', /cannot be read: it is not a file/],
    ['agent', /--profile agent/],
  ] as const) {
    const { status, stderr } = place.caisson(['run', '--policy', file, '--', 'true']);
    assert.equal(status, 66, file);
    assert.match(stderr, says);
  }
});

test('a policy of 100 MB is refused without being read', () => {
  using place = makePlace();
  writeFileSync(join(place.work, 'big.yaml'), Buffer.alloc(100 * 1024 * 1024, '#'));
  const { status, stderr } = place.caisson(['policy', 'check', 'big.yaml']);
  assert.equal(status, 64);
  assert.match(stderr + place.caisson(['policy', 'check', 'big.yaml']).stdout, /larger than/);
});

test('--json owes its document even when the flags are wrong, and exactly one', () => {
  using place = makePlace();
  for (const args of [
    ['run', '--bogus', '--json', '--', 'true'],
    ['rnu', '--json'],
    ['run', '--json'],
    ['diff', 'overlay_none', '--json'],
  ]) {
    const { stdout, status } = place.caisson(args);
    assert.equal(stdout.trimEnd().split('\n').length, 1, args.join(' '));
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    assert.ok(error.code.length > 0 && error.message.length > 0);
    assert.notEqual(status, 0);
  }
});

test('a refusal prints the command line to type, quoted, before the guest’s words', () => {
  const error = new CaissonError('UNENFORCEABLE', {
    layer: 'plan',
    details: {
      unenforceable: [
        {
          id: 'limits.memory:no-cgroup',
          reason: 'no cgroup',
          cure: 'run as root',
          acceptable: true,
        },
      ],
      accept: ['limits.memory:no-cgroup', 'b'],
    },
  });
  const text = renderError(error, ['run', '--level', 'strict', '--', 'sh', '-c', "echo 'a b'"]);
  assert.match(text, /limits\.memory:no-cgroup: no cgroup\n {4}cure: run as root/);
  assert.ok(
    text.includes(
      `caisson run --accept limits.memory:no-cgroup,b --level strict -- sh -c 'echo '\\''a b'\\'''`,
    ),
    text,
  );
});

test('words are quoted as a shell reads them back', () => {
  assert.equal(quoteForShell('a/b-c.d=e'), 'a/b-c.d=e');
  assert.equal(quoteForShell(''), "''");
  assert.equal(quoteForShell('$(x) `y`'), "'$(x) `y`'");
  assert.equal(withAccept(['policy', 'show', 'p'], ['x']), 'caisson policy show --accept x p');
});

test('policy init writes once and never over a file', () => {
  using place = makePlace();
  assert.equal(place.caisson(['policy', 'init', 'python', '-o', 'p.yaml']).status, 0);
  const first = readFileSync(join(place.work, 'p.yaml'), 'utf8');
  assert.equal(place.caisson(['policy', 'check', 'p.yaml']).status, 0, 'what it writes is valid');
  const again = place.caisson(['policy', 'init', 'node', '-o', 'p.yaml']);
  assert.equal(again.status, 64);
  assert.match(again.stderr, /exists already/);
  assert.equal(readFileSync(join(place.work, 'p.yaml'), 'utf8'), first);
});

test('policy diff says what differs and exits 1, and 0 where nothing does', () => {
  using place = makePlace();
  const different = place.caisson(['policy', 'diff', 'readonly', 'agent']);
  assert.equal(different.status, 1);
  assert.match(different.stdout, /agent may write \$workspace, readonly may not/);
  const same = place.caisson(['policy', 'diff', 'agent', 'agent', '--json']);
  assert.equal(same.status, 0);
  assert.deepEqual(JSON.parse(same.stdout), { onlyFirst: [], onlySecond: [], other: [] });
});
