/**
 * Levels, profiles, examples, the builder, and the forms that a policy is written in.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { policyDocs } from '../../scripts/policy-docs.ts';
import { definePolicy } from '../../src/policy/builder.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import { policyJsonSchema } from '../../src/policy/document.ts';
import { LEVEL_NAMES, levels } from '../../src/policy/levels.ts';
import { containsName } from '../../src/policy/name-set.ts';
import { parsePolicy, policyFromDocument } from '../../src/policy/parse.ts';
import { containsPath } from '../../src/policy/path-set.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { isLevel, levelPolicy, profilePolicy } from '../../src/policy/presets.ts';
import { type ProfileName, profiles } from '../../src/policy/profiles.ts';
import { coversProtected, leadsToProtected, matchesProtected } from '../../src/policy/protect.ts';
import { initPolicy, showPolicy } from '../../src/policy/show.ts';
import { editDistance, suggest } from '../../src/policy/suggest.ts';

const root = join(import.meta.dirname, '../..');
const profileNames = Object.keys(profiles) as ProfileName[];

describe('levels', () => {
  test('each is what the table of the design says', () => {
    const rows: [Policy['level'], Partial<Policy>, writes: string[], not: string[]][] = [
      ['none', { walls: ['none'], view: 'host' }, ['/etc', '$workspace'], []],
      ['basic', { walls: ['child'], view: 'host' }, ['/etc', '$workspace'], []],
      ['moderate', { walls: ['process'], view: 'system' }, ['$workspace/x'], ['/etc', '/home']],
      ['strict', { walls: ['process', 'container'], view: 'system' }, [], ['$workspace', '/etc']],
      ['paranoid', { walls: ['microvm', 'gvisor'], view: 'named' }, [], ['$workspace', '/etc']],
    ];
    for (const [name, expected, writes, not] of rows) {
      const policy = levelPolicy(name);
      for (const [key, value] of Object.entries(expected)) {
        assert.deepEqual(policy[key as keyof Policy], value, `${name} ${key}`);
      }
      for (const path of writes)
        assert.ok(containsPath(policy.write, path), `${name} writes ${path}`);
      for (const path of not)
        assert.ok(!containsPath(policy.write, path), `${name} leaves ${path}`);
      assert.equal(policy.network.mode, ['none', 'basic'].includes(name) ? 'full' : 'none');
    }
  });

  test('from moderate on no secret of the environment and no home is passed', () => {
    for (const name of ['moderate', 'strict', 'paranoid'] as const) {
      const policy = levelPolicy(name);
      for (const secret of [
        'AWS_SECRET_ACCESS_KEY',
        'GITHUB_TOKEN',
        'SSH_AUTH_SOCK',
        'LD_PRELOAD',
        'HOME',
      ]) {
        assert.ok(!containsName(policy.environment.pass, secret), `${name} passes ${secret}`);
      }
      assert.ok(!containsPath(policy.read, '/home/u') && !containsPath(policy.read, '/root'));
      assert.equal(policy.limits.coreBytes, 0);
    }
  });

  test('what a level insists on, it has a value for', () => {
    for (const name of LEVEL_NAMES) {
      for (const limit of levels[name].mustLimit) assert.notEqual(levels[name].limits[limit], null);
      for (const wall of levels[name].walls) assert.ok(levels[name].mayUse.includes(wall));
      assert.ok(isLevel(name));
    }
    assert.ok(!isLevel('toString'));
  });
});

describe('profiles', () => {
  for (const name of profileNames) {
    test(`${name} is a valid document, and the same with and without the schema`, () => {
      const policy = policyFromDocument(profiles[name].document);
      assert.equal(digestPolicy(profilePolicy(name)), digestPolicy(policy));
      assert.equal(policy.name, name);
      assert.equal(policy.network.mode, 'none');
    });

    test(`a file begun from ${name} is valid`, () => {
      const policy = parsePolicy(initPolicy(name), { source: 'init.yaml' });
      assert.equal(policy.level, profiles[name].document.level);
    });
  }

  test('agent protects what later runs as the person, and not the work itself', () => {
    const { protect } = profilePolicy('agent');
    const covered = (path: string) => protect.some((pattern) => matchesProtected(pattern, path));
    const planted = [
      '.git/config',
      '.git/hooks/pre-commit',
      '.git/commondir',
      '.git/worktrees/w/config.worktree',
      '.git/worktrees/w/commondir',
      '.git/modules/a/b/config',
      '.git/modules/a/hooks/x',
      '.git/modules/a/modules/b/config',
      '.env',
      '.env.local',
      '.envrc',
      '.vscode/tasks.json',
      '.idea/x',
      '.bashrc',
      '.zshrc',
      '.npmrc',
      '.yarnrc.yml',
      '.pypirc',
      '.claude/settings.json',
      '.mcp.json',
      '.cursor/mcp.json',
      '.husky/pre-commit',
      '.cargo/config.toml',
    ];
    for (const path of planted) assert.ok(covered(path), path);
    const work = [
      'Makefile',
      'package.json',
      'src/config',
      '.git/HEAD',
      '.git/index',
      '.git/refs/heads/x',
      '.git/refs/stash',
      '.git/objects/00/x',
      '.git/COMMIT_EDITMSG',
      '.git/worktrees/w/HEAD',
      '.git/worktrees/w/index',
      '.git/modules/a/HEAD',
      'src/.gitkeep',
      '.gitignore',
      '.github/x.yml',
    ];
    for (const path of work) assert.ok(!covered(path), path);
  });
});

describe('protected patterns', () => {
  test('cover what they match and all below', () => {
    const rows: [string, string, boolean][] = [
      ['.env*', '.env', true],
      ['.env*', '.envrc/x', true],
      ['.env*', 'a/.env', false],
      ['a/*/c', 'a/b/c', true],
      ['a/*/c', 'a/b/b/c', false],
      ['a/**/c', 'a/c', true],
      ['a/**/c', 'a/b/b/c/d', true],
      ['a/**/c', 'a/b', false],
      ['*x*y', 'axbxyy', true],
      ['*x*y', 'axby.', false],
    ];
    for (const [pattern, path, covered] of rows) {
      assert.equal(matchesProtected(pattern, path), covered, `${pattern} ${path}`);
    }
  });

  test('say which directories must not be renamed away', () => {
    assert.ok(leadsToProtected('.git/hooks', '.git'));
    assert.ok(leadsToProtected('.git/modules/**/config', '.git/modules/a/b'));
    assert.ok(!leadsToProtected('.git/hooks', '.git/refs'));
    assert.ok(!leadsToProtected('.git/hooks', '.git/hooks'));
  });

  test('cover each other', () => {
    assert.ok(coversProtected(['.env*'], '.env'));
    assert.ok(coversProtected(['.env*'], '.env.*'));
    assert.ok(coversProtected(['a/**/c'], 'a/*/c'));
    assert.ok(!coversProtected(['a/*/c'], 'a/**/c'));
    assert.ok(!coversProtected(['.env.*'], '.env*'));
  });
});

describe('digest', () => {
  test('does not depend on the order of keys or of sets, nor on the name', () => {
    const a = parsePolicy(
      'name: a\nlevel: strict\nfilesystem: {read: [/b, /a], write: [/c]}\nenvironment: {pass: [B, A], set: {X: 1, W: 2}}',
      { source: 'a' },
    );
    const b = parsePolicy(
      'environment: {set: {W: 2, X: 1}, pass: [A, B, A]}\nfilesystem: {write: [/c], read: [/a, /b, /a/x]}\nname: b',
      { source: 'b' },
    );
    assert.equal(digestPolicy(a), digestPolicy(b));
    assert.match(digestPolicy(a), /^sha256:[0-9a-f]{64}$/);
    const shuffled = Object.fromEntries(Object.entries(a).toReversed()) as unknown as Policy;
    assert.equal(digestPolicy(shuffled), digestPolicy(a));
  });

  test('tells every clause apart', () => {
    const clauses = [
      'level: moderate',
      'walls: [process]',
      'walls: [container, process]',
      'hostname: x',
      'hermetic: true',
      'filesystem: {read: [/a]}',
      'filesystem: {write: [/a]}',
      'filesystem: {scratch: [/a]}',
      'filesystem: {protect: [a]}',
      'filesystem: {sys: true}',
      'network: {mode: full}',
      'network: {allow: [a.example]}',
      'network: {allow: ["a.example:80"]}',
      'network: {allow: [a.example], deny: [b.example]}',
      'network: {listen: [1]}',
      'environment: {pass: [A]}',
      'environment: {pass: ["*"]}',
      'environment: {pass: ["*", "!A"]}',
      'environment: {set: {A: b}}',
      'syscalls: {preset: minimal}',
      'syscalls: {allow: [bpf]}',
      'syscalls: {deny: [bpf]}',
      'capabilities: {base: all}',
      'capabilities: {add: [kill]}',
      'capabilities: {drop: [kill]}',
      'devices: [/dev/fuse]',
      'limits: {memory: 1}',
      'limits: {timeout: 1}',
      'limits: {timeout: null}',
      'limits: {onOutputLimit: kill}',
      'name: x',
    ];
    const digests = clauses.map((text) => digestPolicy(parsePolicy(text, { source: 'p' })));
    assert.equal(new Set(digests).size, clauses.length);
  });

  test('stays what it is from release to release', () => {
    assert.equal(digestPolicy(levelPolicy('strict')), STRICT_DIGEST);
  });
});

/** Changes only when the level strict does; then the changelog says so. */
const STRICT_DIGEST = 'sha256:f714047767374deb4d2a04b8070df9a840363109c498d6199ff80e9dc0c47a93';

describe('forms', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.yaml'));
  const all = [
    ...LEVEL_NAMES.map((level) => [`level ${level}`, levelPolicy(level)] as const),
    ...profileNames.map((name) => [`profile ${name}`, profilePolicy(name)] as const),
    ...examples.map((name) => [`example ${name}`, example(name)] as const),
  ];

  for (const [what, policy] of all) {
    test(`${what}, shown and read again, is the same policy`, () => {
      const again = parsePolicy(showPolicy(policy), { source: 'shown.yaml' });
      assert.deepEqual(again, policy);
      assert.equal(digestPolicy(again), digestPolicy(policy));
    });
  }

  test('the builder makes the document that one would write, and shares nothing', () => {
    const base = definePolicy('analysis').extends('python');
    const built = base
      .read('/srv/data', '!/srv/data/private')
      .write('out')
      .connect('pypi.org:443')
      .limit({ memory: '2GiB', timeout: '5m' });
    assert.deepEqual(base.document(), { version: 1, name: 'analysis', extends: ['python'] });
    const written = `version: 1
name: analysis
extends: python
filesystem: {read: [/srv/data, "!/srv/data/private"], write: [out]}
network: {allow: ["pypi.org:443"]}
limits: {memory: 2GiB, timeout: 5m}`;
    assert.deepEqual(built.build(), parsePolicy(written, { source: 'p' }));
  });

  test('the JSON Schema describes every field', () => {
    const bare: string[] = [];
    visit(policyJsonSchema(), '');
    assert.deepEqual(bare, []);

    function visit(schema: Record<string, unknown>, at: string): void {
      assert.equal(schema.additionalProperties, false, `${at || 'the document'} is closed`);
      for (const [key, field] of Object.entries(
        schema.properties as Record<string, Record<string, unknown>>,
      )) {
        if (typeof field.description !== 'string') bare.push(`${at}${key}`);
        if (field.properties) visit(field, `${at}${key}.`);
      }
    }
  });

  test('docs/policy.md is what the schema says (node scripts/policy-docs.ts)', () => {
    assert.equal(readFileSync(join(root, 'docs/policy.md'), 'utf8'), policyDocs());
  });
});

function example(name: string): Policy {
  const directory = join(root, 'examples');
  return parsePolicy(readFileSync(join(directory, name)), {
    source: name,
    home: '/home/u',
    resolve: (reference) => ({ text: readFileSync(join(directory, reference)), source: reference }),
  });
}

test('suggestions are near, and none is made for what is far', () => {
  assert.equal(editDistance('ab', 'ba'), 1);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('memroy', 'memory'), 1);
  assert.equal(suggest('tiemout', ['timeout', 'memory']), 'timeout');
  assert.equal(suggest('zzzzzz', ['timeout', 'memory']), undefined);
  assert.equal(suggest('x'.repeat(10_000), ['timeout']), undefined);
});
