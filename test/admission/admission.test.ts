/** The decision, over checks that answer what a test wants. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AdmissionParts, type Looked, makeAdmission } from '../../src/admission/admission.ts';
import { scoreOf, withModel } from '../../src/admission/threat/score.ts';
import type { Candidate, Capability, Finding } from '../../src/core/admission.ts';
import { USUAL } from '../../src/policy/admission.ts';
import type { AdmissionPolicy, ScanPolicy } from '../../src/policy/policy.ts';

const range = { start: 0, end: 1, line: 1, column: 1, endLine: 1, endColumn: 2 };
const finding = (score: number, more: Partial<Finding> = {}): Finding => ({
  family: 'network',
  rule: 'javascript/network/fetch',
  score,
  range,
  excerpt: 'x',
  explanation: 'x',
  remedy: 'x',
  ...more,
});
const candidate = (more: Partial<Candidate> = {}): Candidate => ({
  name: 'm@1.0.0',
  language: 'javascript',
  digest: 'd'.repeat(64),
  files: { 'm.js': '1' },
  ...more,
});
const scan = { ...(USUAL.scan as ScanPolicy) };
const asks = (more: Partial<AdmissionPolicy> = {}): AdmissionPolicy => ({
  scan,
  requires: [],
  ...more,
});
const NOW = Date.parse('2026-11-22T12:00:00Z');

async function decide(
  parts: Partial<AdmissionParts>,
  admission: AdmissionPolicy = asks(),
  given: Candidate = candidate(),
) {
  const decided = await makeAdmission({
    analyze: () => ({ score: 0, findings: [] }),
    score: (findings, probability) => withModel(scoreOf(findings), probability),
    verify: async () => assert.fail('nobody asked'),
    checkProof: async () => assert.fail('nobody asked'),
    clock: () => NOW,
    ...parts,
  })(given, { admission, walls: ['process'] });
  return { ...decided.report, untilMs: decided.untilMs };
}
const scoring = (score: number, findings: readonly Finding[] = []) => ({
  analyze: (): Looked => ({ score, findings }),
});

describe('by score', () => {
  test('the thresholds are where they say, whatever they are', async () => {
    for (const [score, decision] of [
      [0, 'admitted'],
      [39.9, 'admitted'],
      [40, 'strengthened'],
      [79.9, 'strengthened'],
      [80, 'refused'],
      [100, 'refused'],
    ] as const) {
      assert.equal((await decide(scoring(score))).decision, decision, String(score));
    }
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 100 }),
        async (score, refuse, low) => {
          const strengthen = Math.min(low, refuse);
          const policy = asks({ scan: { ...scan, refuse, strengthen } });
          const { decision } = await decide(scoring(score), policy);
          const expected =
            score >= refuse ? 'refused' : score >= strengthen ? 'strengthened' : 'admitted';
          assert.equal(decision, expected);
        },
      ),
    );
  });

  test('of several files the worst counts, and findings name their file', async () => {
    const files = { 'a.js': 'a', 'b.js': 'b' };
    const { decision, findings } = await decide(
      {
        analyze: (source) =>
          String(source) === 'b'
            ? { score: 90, findings: [finding(90)] }
            : { score: 0, findings: [] },
      },
      asks(),
      candidate({ files }),
    );
    assert.deepEqual([decision, findings?.[0]?.path], ['refused', 'b.js']);
  });

  test('what cannot be decided is refused: no score, a failure, too long, too much', async () => {
    for (const analyze of [
      () => ({ score: Number.NaN, findings: [] }),
      () => ({ score: 101, findings: [] }),
      () => ({}) as never,
      () => {
        throw new Error('broken');
      },
      () => new Promise<never>(() => {}),
    ]) {
      const { decision, untilMs } = await decide({ analyze, timeLimitMs: 50 });
      assert.deepEqual([decision, untilMs], ['refused', 0], 'and it may be asked again');
    }
    const clock = await decide({
      clock: () => {
        throw new Error('no clock');
      },
    });
    assert.equal(clock.decision, 'refused');
    const large = candidate({ files: { a: new Uint8Array(65 * 2 ** 20) } });
    assert.equal((await decide({}, asks(), large)).decision, 'refused');
  });

  test('whoever looks is told for whom, and when nobody waits for it any more', async () => {
    const asked: [string | undefined, boolean][] = [];
    let late: AbortSignal | undefined;
    const decideFor = makeAdmission({
      analyze: (_source, _options, { tenant, signal }) => {
        asked.push([tenant, signal.aborted]);
        late = signal;
        return new Promise(() => {});
      },
      score: () => assert.fail('nobody asked'),
      verify: async () => assert.fail('nobody asked'),
      checkProof: async () => assert.fail('nobody asked'),
      clock: () => NOW,
      timeLimitMs: 20,
    });
    const demand = { admission: asks(), walls: ['process'], tenant: 'acme' } as const;
    const { report } = await decideFor(candidate(), demand);
    assert.equal(report.decision, 'refused');
    assert.deepEqual(asked, [['acme', false]]);
    assert.equal(late?.aborted, true);
  });

  test('without a scan and requirements nobody looks, and it says so', async () => {
    const analyze = () => assert.fail('nobody asked');
    const { decision, score } = await decide({ analyze }, { requires: [] });
    assert.deepEqual([decision, score], ['unchecked', undefined]);
  });
});

describe('what is declared', () => {
  const declared = async (
    lets: readonly Capability[],
    says: readonly Capability[] | undefined,
    profile: 'effect' | 'package' = 'effect',
  ) => {
    let seen: readonly Capability[] = [];
    const { reasons = [] } = await decide(
      {
        analyze: (_, { declares }) => {
          seen = declares;
          return { score: 0, findings: [] };
        },
      },
      asks({ scan: { ...scan, declares: lets, profile } }),
      candidate(says === undefined ? {} : { declares: says }),
    );
    return { seen, beyond: reasons.length };
  };

  test('is what both the code and the policy say; without a manifest what the policy says', async () => {
    assert.deepEqual(await declared(['network'], ['network']), { seen: ['network'], beyond: 0 });
    assert.deepEqual(await declared(['network'], []), { seen: [], beyond: 0 });
    assert.deepEqual(await declared([], ['network', 'filesystem']), { seen: [], beyond: 2 });
    assert.deepEqual(await declared(['network'], undefined), { seen: ['network'], beyond: 0 });
  });
});

describe('waivers', () => {
  const looked = scoring(90, [finding(90)]);
  const waive = (more: object) =>
    asks({
      scan: {
        ...scan,
        waivers: [
          { family: 'network', reason: 'its job', expires: '2027-01-01T00:00:00Z', ...more },
        ],
      },
    });

  test('hold for their digest, path and time alone, and are decided again when they end', async () => {
    const held = await decide(looked, waive({}));
    assert.deepEqual(
      [held.decision, held.score, held.untilMs],
      ['admitted', 0, Date.parse('2027-01-01')],
    );
    assert.equal(held.findings?.[0]?.waived, 'its job');
    assert.equal((await decide(looked, waive({ digest: 'd'.repeat(64) }))).decision, 'admitted');
    for (const other of [
      { digest: 'e'.repeat(64) },
      { path: 'other.js' },
      { family: 'filesystem' },
      { family: undefined, rule: 'javascript/network/other' },
      { expires: '2026-11-22T12:00:00Z' },
      { expires: '2020-01-01T00:00:00Z' },
    ]) {
      const { decision } = await decide(looked, waive(other));
      assert.equal(decision, 'refused', JSON.stringify(other));
    }
  });
});

describe('requirements', () => {
  const signer = { name: 'alice', keyId: 'a'.repeat(64) };
  const signed = candidate({ signatures: ['{}'] });
  const asksSigned = asks({ requires: ['signature'] });

  test('a signature: none, one that does not count, one behind another wall, one that counts', async () => {
    const none = await decide({}, asksSigned);
    assert.deepEqual([none.decision, /caisson sign/.test(String(none.reasons))], ['refused', true]);
    const bad = await decide(
      { verify: async () => ({ ok: false, reason: 'no' }) },
      asksSigned,
      signed,
    );
    assert.equal(bad.decision, 'refused');
    const walls = ['microvm'] as const;
    const elsewhere = await decide(
      { verify: async () => ({ ok: true, signer, walls }) },
      asksSigned,
      signed,
    );
    assert.match(String(elsewhere.reasons), /does not count behind the wall process/);
    const good = await decide({ verify: async () => ({ ok: true, signer }) }, asksSigned, signed);
    assert.deepEqual([good.decision, good.signer], ['admitted', signer]);
    assert.ok(good.untilMs <= NOW + 1000, 'a revocation holds within a second');
    const nobody = asks({ requires: ['signature'], signers: [] });
    assert.equal(
      (await decide({ verify: async () => ({ ok: true, signer }) }, nobody, signed)).decision,
      'refused',
    );
  });

  test('a good signature saves nobody from a score', async () => {
    const verify = async () => ({ ok: true, signer }) as const;
    assert.equal(
      (await decide({ verify, ...scoring(90) }, asksSigned, signed)).decision,
      'refused',
    );
  });

  test('one that is not asked for, and does not count, is said and harms nothing', async () => {
    const verify = async () => ({ ok: false, reason: 'revoked' }) as const;
    const { decision, reasons } = await decide({ verify }, asks(), signed);
    assert.deepEqual([decision, reasons], ['admitted', ['its signature does not count: revoked']]);
  });

  test('a proof: for WebAssembly alone, for this module alone; one that lies refuses unasked', async () => {
    const proof = { format: 'wasm-pcc/v1', subject: 'd'.repeat(64), bounds: {} } as const;
    const wasm = candidate({
      language: 'wasm',
      files: { m: new Uint8Array(1) },
      certificate: new Uint8Array(1),
    });
    const proved = asks({ requires: ['proof'] });
    assert.equal((await decide({}, proved)).decision, 'refused');
    const good = await decide({ checkProof: async () => ({ ok: true, proof }) }, proved, wasm);
    assert.deepEqual([good.decision, good.proof], ['admitted', proof]);
    const other = { ...proof, subject: 'e'.repeat(64) };
    const moved = await decide(
      { checkProof: async () => ({ ok: true, proof: other }) },
      proved,
      wasm,
    );
    assert.equal(moved.decision, 'refused');
    const lies = await decide(
      { checkProof: async () => ({ ok: false, reason: 'no' }) },
      asks(),
      wasm,
    );
    assert.equal(lies.decision, 'refused');
  });
});
