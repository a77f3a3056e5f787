import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import { LEVEL_NAMES } from '../../src/policy/levels.ts';
import { VIOLATION_ENDINGS, violationEnding } from '../../src/policy/on-violation.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import type { Level, Policy } from '../../src/policy/policy.ts';
import { documentOf } from '../../src/policy/to-document.ts';

const policy = (level: Level, onViolation?: 'record' | 'kill') =>
  policyFromDocument({
    version: 1,
    level,
    ...(onViolation === undefined ? {} : { onViolation }),
    walls: ['microvm'],
  });

describe('onViolation', () => {
  test('the level answers where a policy does not; record and kill hold at every level', () => {
    for (const level of LEVEL_NAMES) {
      const strong = level === 'strict' || level === 'paranoid';
      assert.equal(violationEnding(policy(level)), strong ? 'escapes' : 'none', level);
      assert.equal(violationEnding(policy(level, 'record')), 'none', level);
      assert.equal(violationEnding(policy(level, 'kill')), 'all', level);
    }
  });

  test('saying what the level says changes no digest; anything else does, and is shown again', () => {
    const digest = (...args: Parameters<typeof policy>) => digestPolicy(policy(...args));
    assert.equal(digest('moderate', 'record'), digest('moderate'));
    assert.notEqual(digest('strict', 'record'), digest('strict'));
    assert.notEqual(digest('moderate', 'kill'), digest('moderate'));
    for (const level of LEVEL_NAMES) {
      for (const say of [undefined, 'record', 'kill'] as const) {
        const one = policy(level, say);
        assert.equal(digestPolicy(policyFromDocument(documentOf(one))), digestPolicy(one));
      }
    }
  });

  test('an intersection ends a run as soon as either does, a union as late as either', () => {
    const rank = (one: Policy) => VIOLATION_ENDINGS.indexOf(violationEnding(one));
    const all = LEVEL_NAMES.flatMap((level) =>
      [undefined, 'record' as const, 'kill' as const].map((say) => policy(level, say)),
    );
    for (const a of all) {
      for (const b of all) {
        assert.ok(rank(intersectPolicies(a, b)) >= Math.max(rank(a), rank(b)));
        assert.ok(rank(unionPolicies(a, b)) <= Math.min(rank(a), rank(b)));
      }
      assert.equal(rank(intersectPolicies(a, a)), rank(a));
      assert.equal(rank(unionPolicies(a, a)), rank(a));
    }
  });

  test('another word is refused', () => {
    const document = { version: 1, onViolation: 'warn' };
    assert.throws(() => policyFromDocument(document as never), /onViolation/);
  });
});
