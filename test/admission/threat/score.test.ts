import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { probabilityFor, scoreOf, withModel } from '../../../src/admission/threat/score.ts';
import type { Finding, ThreatFamily } from '../../../src/core/admission.ts';

const finding = (family: ThreatFamily, score: number, waived?: string): Finding => ({
  family,
  rule: `javascript/${family}/x`,
  score,
  range: { start: 0, end: 1, line: 1, column: 1, endLine: 1, endColumn: 2 },
  excerpt: '',
  explanation: '',
  remedy: '',
  ...(waived === undefined ? {} : { waived }),
});

test('one undeclared effect alone scores its base exactly', () => {
  assert.equal(scoreOf([finding('network', 75)]), 75);
  assert.equal(scoreOf([finding('sandbox-escape', 100)]), 100);
  assert.equal(scoreOf([]), 0);
});

test('a family counts once, a second family adds a little', () => {
  assert.equal(scoreOf([finding('network', 75), finding('network', 70)]), 75);
  const two = scoreOf([finding('network', 75), finding('module-loading', 70)]);
  assert.ok(two > 75 && two < 80, String(two));
});

test('what is declared or waived adds nothing', () => {
  assert.equal(scoreOf([finding('network', 75), finding('filesystem', 0)]), 75);
  assert.equal(scoreOf([finding('network', 75, 'known'), finding('evasion', 20)]), 20);
});

test('between 0 and 100, never below the strongest, the same in any order', () => {
  const families: ThreatFamily[] = ['network', 'evasion', 'obfuscation', 'persistence'];
  const any = fc.array(
    fc.record({ family: fc.constantFrom(...families), score: fc.integer({ min: 0, max: 100 }) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(any, (list) => {
      const findings = list.map(({ family, score }) => finding(family, score));
      const score = scoreOf(findings);
      assert.ok(score <= 100 && score >= Math.max(0, ...list.map((one) => one.score)));
      assert.equal(scoreOf([...findings].reverse()), score);
    }),
  );
});

test('a model below one half, none, or one that is no number changes nothing', () => {
  assert.equal(withModel(40, undefined), 40);
  assert.equal(withModel(40, 0.5), 40);
  assert.equal(withModel(40, Number.NaN), 40);
  assert.equal(withModel(0, 0.01), 0);
});

test('a model that is sure refuses alone, and takes nothing away', () => {
  assert.equal(withModel(0, probabilityFor(80)), 80);
  assert.equal(withModel(0, 1), 100);
  assert.equal(withModel(95, 0.6), 95);
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (score, a, b) => {
        const [less, more] = [withModel(score, Math.min(a, b)), withModel(score, Math.max(a, b))];
        assert.ok(score <= less && less <= more && more <= 100);
      },
    ),
  );
});
