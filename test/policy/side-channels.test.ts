import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { diffPolicies, subsumes } from '../../src/policy/compare.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import type { PolicyDocument } from '../../src/policy/document.ts';
import { policyFromDocument } from '../../src/policy/parse.ts';
import { showPolicy } from '../../src/policy/show.ts';
import { sideChannelsOf } from '../../src/policy/side-channels.ts';
import { documentOf } from '../../src/policy/to-document.ts';

const policy = (document: PolicyDocument = {}) => policyFromDocument({ version: 1, ...document });
const strong = { walls: ['microvm' as const] };
const secrets = {
  network: {
    mode: 'filtered' as const,
    allow: ['api.example.org'],
    intercept: true,
    secrets: { TOKEN: ['api.example.org'] },
  },
};
/** Each section at two levels, and with a secret. */
const all = (
  [
    {},
    { speculation: true },
    { speculation: false, coreScheduling: true },
    { resultGrid: '100ms' },
    { resultGrid: 1, redact: false },
    { tsc: 'deny', redact: true },
  ] satisfies PolicyDocument['sideChannels'][]
).flatMap((sideChannels) => [
  policy({ ...strong, level: 'strict', sideChannels }),
  policy({ ...strong, level: 'paranoid', sideChannels }),
  policy({ ...strong, ...secrets, sideChannels }),
]);

describe('sideChannels', () => {
  test('paranoid restricts the processor, secrets are replaced; nothing else holds unasked', () => {
    const plain = { resultGridMs: 0, redact: false, tsc: 'allow' };
    const off = { speculation: false, coreScheduling: false };
    assert.deepEqual(sideChannelsOf(policy()), { ...plain, ...off });
    const on = { speculation: true, coreScheduling: true };
    assert.deepEqual(sideChannelsOf(policy({ level: 'paranoid' })), { ...plain, ...on });
    assert.equal(sideChannelsOf(policy(secrets)).redact, true);
    const shows = policy({ ...secrets, sideChannels: { redact: false } });
    assert.equal(sideChannelsOf(shows).redact, false);
  });

  test('saying what holds anyway changes no digest; anything else does, and is shown again', () => {
    const digest = (sideChannels?: PolicyDocument['sideChannels'], more: PolicyDocument = {}) =>
      digestPolicy(policy({ ...more, ...(sideChannels === undefined ? {} : { sideChannels }) }));
    assert.equal(policy().sideChannels, undefined);
    assert.equal(digest({ speculation: false, redact: true, tsc: 'allow' }), digest());
    assert.equal(digest({ redact: false }), digest(), 'without secrets there is nothing to show');
    const paranoid = { level: 'paranoid' as const };
    assert.equal(digest({ speculation: true }, paranoid), digest(undefined, paranoid));
    for (const said of [{ speculation: true }, { resultGrid: '1s' }, { tsc: 'deny' as const }]) {
      assert.notEqual(digest(said), digest());
    }
    assert.equal(digest({ resultGrid: '1s' }), digest({ resultGrid: 1 }));
    for (const one of all) {
      assert.equal(digestPolicy(policyFromDocument(documentOf(one))), digestPolicy(one));
    }
    assert.match(showPolicy(policy({ sideChannels: { resultGrid: 0.1 } })), /resultGrid: 100ms/);
  });

  test('the more special document replaces key by key', () => {
    const base = policy({ extends: 'agent', sideChannels: { tsc: 'deny' } });
    assert.equal(sideChannelsOf(base).tsc, 'deny');
  });

  test('what one tells and another keeps is in which they differ', () => {
    const keeps = policy({
      sideChannels: { speculation: true, coreScheduling: true, resultGrid: '50ms', tsc: 'deny' },
    });
    const { onlyFirst, onlySecond } = diffPolicies(policy(), keeps);
    assert.equal(onlyFirst.length, 4, onlyFirst.join('\n'));
    assert.deepEqual(onlySecond, []);
    const shows = policy({ ...secrets, sideChannels: { redact: false } });
    const answer = subsumes(policy(secrets), shows);
    assert.ok(!answer.ok && /show values of secrets/.test(answer.witness));
    assert.equal(subsumes(shows, policy(secrets)).ok, true);
  });

  test('laws: an intersection lies below both, a union above both, each is its own', () => {
    for (const a of all) {
      assert.equal(subsumes(a, a).ok, true);
      assert.deepEqual(sideChannelsOf(intersectPolicies(a, a)), sideChannelsOf(a));
      assert.deepEqual(sideChannelsOf(unionPolicies(a, a)), sideChannelsOf(a));
      for (const b of all) {
        const both = intersectPolicies(a, b);
        const either = unionPolicies(a, b);
        for (const one of [a, b]) {
          assert.deepEqual(subsumes(one, both), { ok: true });
          assert.deepEqual(subsumes(either, one), { ok: true });
        }
      }
    }
  });

  test('what is not there is refused, with its place', () => {
    for (const [said, where] of [
      [{ resultGrid: '0s' }, 'sideChannels.resultGrid'],
      [{ resultGrid: 'often' }, 'sideChannels.resultGrid'],
      [{ tsc: 'maybe' }, 'sideChannels.tsc'],
      [{ specualtion: true }, 'sideChannels.specualtion'],
    ] as const) {
      assert.throws(() => policy({ sideChannels: said as never }), new RegExp(where), where);
    }
  });
});
