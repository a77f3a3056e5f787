import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { NOTHING, USUAL } from '../../src/policy/admission.ts';
import type { AdmissionDocument } from '../../src/policy/admission-document.ts';
import { definePolicy } from '../../src/policy/builder.ts';
import { intersectPolicies, unionPolicies } from '../../src/policy/combine.ts';
import { diffPolicies, subsumes } from '../../src/policy/compare.ts';
import { digestPolicy } from '../../src/policy/digest.ts';
import { parsePolicy, policyFromDocument } from '../../src/policy/parse.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { showPolicy } from '../../src/policy/show.ts';
import { documentOf } from '../../src/policy/to-document.ts';

const policy = (admission?: AdmissionDocument): Policy =>
  policyFromDocument({ version: 1, ...(admission === undefined ? {} : { admission }) });
const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 3 });
const waivers = [
  { rule: 'javascript/a/b', reason: 'one', expires: '2027-01-01' },
  { rule: 'javascript/a/b', digest: 'a'.repeat(64), reason: 'two', expires: '2028-01-01' },
  { rule: 'javascript/a/b', path: 'x.js', reason: 'three', expires: '2026-12-31T10:00:00Z' },
  { family: 'network' as const, reason: 'four', expires: '2027-06-01' },
  { family: 'network' as const, digest: 'b'.repeat(64), reason: 'five', expires: '2029-06-01' },
];
const documents: fc.Arbitrary<AdmissionDocument | undefined> = fc.option(
  fc
    .record<AdmissionDocument>(
      {
        scan: fc.constantFrom('on', 'on', 'off'),
        refuse: fc.constantFrom(40, 70, 80, 95),
        strengthen: fc.constantFrom(0, 30, 40),
        profile: fc.constantFrom('effect', 'package'),
        declares: some('network', 'filesystem', 'environment'),
        requires: some('signature', 'proof'),
        signers: some('alice', 'bob'),
        waivers: some(...waivers),
        model: fc.constantFrom('on', 'off'),
      },
      { requiredKeys: [] },
    )
    .map((document) => document),
  { nil: undefined, freq: 4 },
);
const policies = documents.map(policy);

describe('admission in a policy', () => {
  test('absent changes no digest; what is said does, and comes back from what is shown', () => {
    assert.equal(policy().admission, undefined);
    assert.equal(digestPolicy(policy()), digestPolicy(policyFromDocument({ version: 1 })));
    assert.notEqual(digestPolicy(policy({})), digestPolicy(policy()));
    assert.deepEqual(policy({}).admission, USUAL, 'what is not said is the usual');
    assert.deepEqual(policy({ scan: 'off' }).admission, NOTHING);
    assert.match(showPolicy(policy({ refuse: 60 })), /refuse: 60/);
    fc.assert(
      fc.property(policies, (one) => {
        assert.equal(digestPolicy(policyFromDocument(documentOf(one))), digestPolicy(one));
        assert.equal(
          digestPolicy(parsePolicy(showPolicy(one), { source: 'shown' })),
          digestPolicy(one),
        );
      }),
    );
  });

  test('YAML, builder and document say the same', () => {
    const text = `version: 1
admission:
  scan: on
  refuse: 60
  declares: [network]
  requires: signature
  signers: [alice]
  waivers:
    - { family: network, digest: sha256:${'a'.repeat(64)}, reason: its job, expires: 2027-01-31 }
`;
    const built = definePolicy()
      .admission({ refuse: 60, declares: ['network'] })
      .admission({
        signers: ['alice'],
        waivers: [
          {
            family: 'network',
            digest: 'a'.repeat(64),
            reason: 'its job',
            expires: '2027-01-31T00:00:00Z',
          },
        ],
      })
      .build();
    assert.equal(digestPolicy(parsePolicy(text, { source: 'text' })), digestPolicy(built));
    assert.deepEqual(built.admission?.requires, ['signature'], 'signers require a signature');
  });

  test('what cannot hold is told at its place', () => {
    const wrong: readonly [unknown, RegExp][] = [
      [{ refuse: 0 }, /admission\.refuse/],
      [{ refuse: 101 }, /admission\.refuse/],
      [{ refuse: 80.5 }, /admission\.refuse/],
      [{ strengthen: 90 }, /admission\.strengthen[\s\S]*above refuse/],
      [{ scan: true }, /admission\.scan/],
      [{ requires: 'signatures' }, /admission\.requires/],
      [{ declares: ['everything'] }, /admission\.declares/],
      [{ waiver: [] }, /did you mean waivers/],
      [{ waivers: [{ reason: 'x', expires: '2027-01-01' }] }, /one rule or of one family/],
      [
        { waivers: [{ rule: 'a', family: 'network', reason: 'x', expires: '2027-01-01' }] },
        /one rule/,
      ],
      [{ waivers: [{ rule: 'a', reason: ' ', expires: '2027-01-01' }] }, /reason/],
      [{ waivers: [{ rule: 'a', reason: 'x' }] }, /expires/],
      [{ waivers: [{ rule: 'a', reason: 'x', expires: '2027-02-30' }] }, /expires/],
      [{ waivers: [{ rule: 'a', reason: 'x', expires: 'never' }] }, /expires/],
      [{ waivers: [{ rule: 'a', digest: 'abc', reason: 'x', expires: '2027-01-01' }] }, /digest/],
      [{ signers: ['a b'] }, /signers/],
    ];
    for (const [said, message] of wrong) {
      assert.throws(() => policy(said as AdmissionDocument), message, JSON.stringify(said));
    }
    assert.equal(policy({ refuse: 30 }).admission?.scan?.strengthen, 30);
  });

  test('the more special document replaces single values and adds to lists', () => {
    const base = 'version: 1\nadmission: { refuse: 60, declares: [network] }\n';
    const text = 'extends: ./base.yaml\nadmission: { strengthen: 10, declares: [environment] }\n';
    const made = parsePolicy(text, {
      source: 'policy.yaml',
      resolve: () => ({ text: base, source: 'base.yaml' }),
    });
    assert.deepEqual(made.admission?.scan?.refuse, 60);
    assert.deepEqual(made.admission?.scan?.declares, ['environment', 'network']);
  });

  test('laws: an intersection lies below both, a union above both', () => {
    fc.assert(
      fc.property(policies, policies, (a, b) => {
        assert.deepEqual(subsumes(a, a), { ok: true });
        const both = intersectPolicies(a, b);
        const either = unionPolicies(a, b);
        for (const one of [a, b]) {
          assert.deepEqual(subsumes(one, both), { ok: true });
          assert.deepEqual(subsumes(either, one), { ok: true });
        }
        const equal = (x: Policy, y: Policy) => subsumes(x, y).ok && subsumes(y, x).ok;
        assert.ok(equal(intersectPolicies(b, a), both));
        assert.ok(equal(unionPolicies(b, a), either));
        assert.ok(equal(intersectPolicies(a, a), a) && equal(unionPolicies(a, a), a));
        if (subsumes(a, b).ok) assert.ok(equal(both, b) && equal(either, a));
      }),
      { numRuns: 500 },
    );
  });

  test('greatest lower and least upper bound: what lies below both lies below the intersection', () => {
    fc.assert(
      fc.property(policies, policies, policies, (a, b, c) => {
        if (subsumes(a, c).ok && subsumes(b, c).ok) {
          assert.deepEqual(subsumes(intersectPolicies(a, b), c), { ok: true });
        }
        if (subsumes(c, a).ok && subsumes(c, b).ok) {
          assert.deepEqual(subsumes(c, unionPolicies(a, b)), { ok: true });
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('subsumption is transitive', () => {
    fc.assert(
      fc.property(policies, policies, policies, (a, b, c) => {
        if (subsumes(a, b).ok && subsumes(b, c).ok) assert.ok(subsumes(a, c).ok);
      }),
      { numRuns: 2000 },
    );
  });

  test('an intersection never asks less, a union never weakens one that asks for more unseen', () => {
    const asks = policy({ refuse: 50, requires: ['signature'], signers: ['alice'] });
    assert.deepEqual(intersectPolicies(asks, policy()).admission, asks.admission);
    assert.equal(intersectPolicies(asks, policy({ scan: 'off' })).admission?.scan?.refuse, 50);
    const union = unionPolicies(asks, policy({ scan: 'off' }));
    const answer = subsumes(asks, union, { a: 'asks', b: 'the union' });
    assert.ok(!answer.ok);
    assert.equal(answer.witness, 'the union may run code that has not been scanned, asks may not');
    const signers = intersectPolicies(asks, policy({ signers: ['bob'] }));
    assert.deepEqual(signers.admission?.signers, [], 'nobody is both');
  });

  test('every kind of difference has its sentence', () => {
    const strict = policy({
      refuse: 60,
      strengthen: 30,
      requires: 'signature',
      signers: ['alice'],
    });
    const loose = policy({
      profile: 'package',
      declares: ['network'],
      model: 'off',
      waivers: [{ family: 'network', reason: 'x', expires: '2027-01-01' }],
    });
    const { onlyFirst, onlySecond } = diffPolicies(loose, strict);
    assert.deepEqual(onlySecond, []);
    assert.deepEqual(onlyFirst, [
      'a may run code with a score of 79 (over 59), b may not',
      'a may run code with a score of 39 behind no stronger wall (over 29), b may not',
      'a may run code that does what packages do, b may not',
      'a may run code that declares network, b may not',
      'a may run code that the model has not looked at, b may not',
      'a may run code in spite of findings of the family network until 2027-01-01T00:00:00Z, b may not',
      'a may run code without a signature, b may not',
    ]);
    assert.match(
      diffPolicies(policy({ requires: 'signature' }), strict).onlyFirst.join('\n'),
      /what any trusted signer has signed/,
    );
  });
});
