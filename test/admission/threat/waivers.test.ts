import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoreOf } from '../../../src/admission/threat/score.ts';
import { applyWaivers, isModelWaived } from '../../../src/admission/threat/waivers.ts';
import type { Finding } from '../../../src/core/admission.ts';
import type { AdmissionWaiver } from '../../../src/policy/policy.ts';

const FINDING: Finding = {
  family: 'child-process',
  rule: 'javascript/child-process/dropped',
  score: 82,
  path: 'install.js',
  range: { start: 0, end: 1, line: 1, column: 1, endLine: 1, endColumn: 2 },
  excerpt: 'x',
  explanation: 'It drops.',
  remedy: 'Do not.',
};
const DIGEST = 'a'.repeat(64);
const NOW = Date.parse('2026-11-22T12:00:00Z');
const context = { digest: DIGEST, nowMs: NOW };
const waiver = (more: Partial<AdmissionWaiver>): AdmissionWaiver => ({
  reason: 'looked at by us',
  expires: '2027-01-01T00:00:00Z',
  ...more,
});

const waived = (
  more: Partial<AdmissionWaiver>,
  where: Parameters<typeof applyWaivers>[2] = context,
) => applyWaivers([FINDING], [waiver(more)], where)[0]?.waived;

test('by rule or family, and by digest and path where they are named', () => {
  assert.equal(waived({ rule: FINDING.rule }), 'looked at by us');
  assert.equal(waived({ family: 'child-process' }), 'looked at by us');
  assert.equal(
    waived({ rule: FINDING.rule, digest: DIGEST, path: 'install.js' }),
    'looked at by us',
  );
  assert.equal(waived({ rule: FINDING.rule, digest: `sha256:${DIGEST}` }), 'looked at by us');
  assert.equal(
    waived(
      { rule: FINDING.rule, digest: DIGEST },
      { digest: ['b'.repeat(64), DIGEST], nowMs: NOW },
    ),
    'looked at by us',
  );
});

test('not of another rule, family, digest or path, nor one that names neither rule nor family', () => {
  assert.equal(waived({ rule: 'javascript/child-process/exec' }), undefined);
  assert.equal(waived({ family: 'network' }), undefined);
  assert.equal(waived({ rule: FINDING.rule, digest: 'b'.repeat(64) }), undefined);
  assert.equal(waived({ rule: FINDING.rule, digest: DIGEST }, { nowMs: NOW }), undefined);
  assert.equal(waived({ rule: FINDING.rule, path: 'other.js' }), undefined);
  assert.equal(waived({}), undefined);
});

test('an expired one does not count, and the finding says so', () => {
  const expired = waiver({ rule: FINDING.rule, expires: '2026-11-22T12:00:00Z' });
  const [one] = applyWaivers([FINDING], [expired], context);
  assert.equal(one?.waived, undefined);
  assert.match(one?.explanation ?? '', /waiver expired at 2026-11-22/);
  assert.equal(scoreOf(applyWaivers([FINDING], [expired], context)), 82);
  const [valid] = applyWaivers([FINDING], [expired, waiver({ family: 'child-process' })], context);
  assert.equal(valid?.waived, 'looked at by us');
  assert.equal(scoreOf(valid === undefined ? [FINDING] : [valid]), 0);
});

test('the model is waived by its name, for exactly one file and until it expires', () => {
  const isWaived = (parts: Partial<AdmissionWaiver>): boolean =>
    isModelWaived([waiver({ rule: 'model', ...parts })], context);
  assert.equal(isWaived({ digest: DIGEST }), true);
  assert.equal(isWaived({}), false, 'no digest');
  assert.equal(isWaived({ digest: 'b'.repeat(64) }), false);
  assert.equal(isWaived({ digest: DIGEST, path: 'other.js' }), false);
  assert.equal(isWaived({ digest: DIGEST, expires: '2026-11-22T12:00:00Z' }), false);
  assert.equal(isModelWaived([waiver({ rule: FINDING.rule, digest: DIGEST })], context), false);
});

test('nothing that was handed in is changed', () => {
  const before = structuredClone(FINDING);
  applyWaivers([FINDING], [waiver({ family: 'child-process' })], context);
  assert.deepEqual(FINDING, before);
});
