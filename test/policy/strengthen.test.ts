import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { subsumes } from '../../src/policy/compare.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { LEVEL_NAMES } from '../../src/policy/levels.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { levelPolicy, profilePolicy } from '../../src/policy/presets.ts';
import { profiles } from '../../src/policy/profiles.ts';
import { strengthen } from '../../src/policy/strengthen.ts';

const policy = (document: PolicyDocument) => policyFromDocument({ version: 1, ...document });

describe('the next stronger wall', () => {
  test('every level and profile has one, but paranoid; it is no lower, and allows nothing more', () => {
    const names = Object.keys(profiles) as (keyof typeof profiles)[];
    const all = [
      ...LEVEL_NAMES.map(levelPolicy),
      ...names.map((name) => profilePolicy(name, { home: '/home/u' })),
    ];
    for (const one of all) {
      const stronger = strengthen(one);
      assert.equal(stronger === undefined, one.level === 'paranoid', one.name);
      if (stronger === undefined) continue;
      assert.ok(LEVEL_NAMES.indexOf(stronger.level) >= LEVEL_NAMES.indexOf(one.level), one.name);
      // A wall of the next level takes the place of none and child.
      assert.deepEqual(subsumes(one, { ...stronger, walls: one.walls }), { ok: true }, one.name);
      assert.equal(subsumes(stronger, one).ok, false, `${one.name} is no stronger`);
      assert.equal(strengthen(one), stronger);
      assert.ok(Object.isFrozen(stronger));
    }
  });

  test('the host is out of reach from none and basic', () => {
    for (const level of ['none', 'basic'] as const) {
      const stronger = strengthen(levelPolicy(level));
      assert.deepEqual(
        [stronger?.level, stronger?.view, stronger?.walls, stronger?.network.mode],
        ['moderate', 'system', ['process'], 'none'],
      );
    }
  });

  test('moderate: what it writes waits for a look, and a full network is gone', () => {
    const stronger = strengthen(
      policy({
        level: 'moderate',
        network: { mode: 'full' },
        capabilities: { add: ['chown'] },
        devices: ['/dev/fuse'],
        syscalls: { preset: 'all', allow: ['ptrace'], deny: ['kill'] },
        environment: { pass: ['*'] },
      }),
    );
    assert.equal(stronger?.level, 'strict');
    assert.deepEqual(stronger?.workspace, { mode: 'overlay', apply: 'manual' });
    assert.equal(stronger?.network.mode, 'none');
    assert.deepEqual(stronger?.syscalls, { preset: 'default', allow: [], deny: ['kill'] });
    assert.deepEqual([stronger?.devices, stronger?.capabilities.add], [[], []]);
    assert.equal(stronger?.environment.pass.complement, false);
    assert.equal(stronger?.limits.memoryBytes, 512 * 2 ** 20);
    const filtered = strengthen(
      policy({ level: 'moderate', network: { mode: 'filtered', allow: ['a.example'] } }),
    );
    assert.equal(filtered?.network.mode, 'filtered');
  });

  test('strict: no network, no secret, and any violation ends the run', () => {
    const stronger = strengthen(
      policy({
        level: 'strict',
        filesystem: { read: ['.'] },
        network: {
          mode: 'filtered',
          allow: ['a.example'],
          intercept: true,
          secrets: { T: { hosts: ['a.example'] } },
        },
      }),
    );
    assert.deepEqual(stronger?.network, { mode: 'none', allow: [], deny: [], listen: [] });
    assert.deepEqual([stronger?.onViolation, stronger?.syscalls.preset], ['kill', 'minimal']);
    assert.equal(stronger?.workspace.mode, 'direct', 'what only reads has nothing to keep aside');
  });
});
