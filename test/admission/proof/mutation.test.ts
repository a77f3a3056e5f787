/**
 * Thousands of modules that are nearly what was proved. Certificates are bound to each one's own digest, so that rules
 * refuse them; what is accepted has to be of a kind that the theorem says nothing of, and is run to its bounds.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkProof } from '../../../src/admission/proof/check-proof.ts';
import { prove } from '../../../src/admission/proof/prover/prove.ts';
import { decode } from '../../../src/wasm/decode.ts';
import { randomNumbers } from '../../wasm/random-module.ts';
import { compileC, noClang, noLibrary } from './compile-c.ts';
import { bind, certificateOf, mutants } from './mutants.ts';
import { MOST_A_UNIT, observe } from './oracle.ts';
import { differenceOf, edit } from './random-edits.ts';

/** Take CAISSON_FUZZ_ROUNDS=1000000 for a long run. */
const ROUNDS = Number(process.env.CAISSON_FUZZ_ROUNDS ?? 4_000);

/** Mutants that are within the theorem all the same, and why. */
const EQUIVALENT: Readonly<Record<string, string>> = {
  'a charge is lower by 1':
    'entering costs 1 for each 8 locals beyond the first 8; the prover pays for the first 8, too',
  'the function is left': 'the same unit pays for the return',
  'functions are reordered': 'both claim the same, and keep it under the other number, too',
  'an opcode is not allowed': 'allowed, but not used: a return that became a branch',
  'a section is gone': 'the data: memory begins empty; elements: the table begins empty',
};

/** Within its bounds, whatever it does now. */
function assertBounded(module: Uint8Array, why: string): void {
  const { exports, types, functions, imports } = decode(module);
  const imported = imports.filter(({ entity }) => entity.kind === 'function').length;
  for (const { name, kind, index } of exports) {
    const type = types[functions[index - imported] ?? -1];
    if (kind !== 'function' || type === undefined || type.parameters.some((each) => each !== 0x7f))
      continue;
    const given = { fuel: 20_000n, slots: 4096 };
    const seen = observe(
      module,
      name,
      type.parameters.map(() => 70),
      given,
    );
    // Where it traps by itself, what a loop holds in a local is not in the global.
    const used = seen.ending === 'trapped' ? given.fuel : seen.used;
    const most = MOST_A_UNIT * (Number(used) + 2);
    assert.ok(seen.instructions <= most, `${why}: ${name}: ${seen.instructions} > ${most}`);
    assert.ok(seen.pages <= seen.mostPages, `${why}: ${seen.pages} pages`);
    if (seen.ending === 'returned') assert.equal(seen.slotsLeft, given.slots, `${why}: ${name}`);
  }
}

describe('mutants of modules from C', () => {
  const modules = [
    ['sha256', '-O0'],
    ['sha256', '-O1'],
    ['compress', '-O2'],
    ['compress', '-Os'],
  ] as const;
  for (const [name, flag] of modules)
    test(`${name} ${flag}: every rule, broken wherever it can be`, { skip: noClang }, (t) => {
      const { module, certificate } = prove(compileC(name, [flag]));
      const claims = certificateOf(certificate);
      assert.equal(checkProof(module, certificate).ok, true);
      const accepted = new Map<string, number>();
      const refused = new Map<string, number>();
      for (const each of mutants(module, claims)) {
        const mutant = { ...each };
        const checked = checkProof(mutant.module, bind(mutant));
        if (!checked.ok) {
          refused.set(mutant.name, (refused.get(mutant.name) ?? 0) + 1);
          assert.ok(checked.offset >= 0 && checked.message.length > 0);
          assert.notEqual(checked.obligation, 'subject', mutant.name);
          continue;
        }
        accepted.set(mutant.name, (accepted.get(mutant.name) ?? 0) + 1);
        assert.ok(mutant.name in EQUIVALENT, `${mutant.name} is accepted`);
        assertBounded(mutant.module, mutant.name);
      }
      const sum = (counts: Map<string, number>) => [...counts.values()].reduce((a, b) => a + b, 0);
      t.diagnostic(
        `${sum(refused)} refused, ${sum(accepted)} equivalent: ${JSON.stringify([...accepted])}`,
      );
      assert.ok(sum(refused) > 1500 && sum(accepted) < sum(refused) / 100);
    });

  test('a whole C library: every rule, broken in many places', { skip: noLibrary }, (t) => {
    const { module, certificate } = prove(compileC('library'));
    const claims = certificateOf(certificate);
    let [at, refused, equivalent] = [0, 0, 0];
    for (const each of mutants(module, claims)) {
      // One in 23: a prime, so that it is every kind in turn.
      if (at++ % 23 !== 0) continue;
      const mutant = { ...each };
      const checked = checkProof(mutant.module, bind(mutant));
      if (!checked.ok) refused++;
      else {
        equivalent++;
        assert.ok(mutant.name in EQUIVALENT, `${mutant.name} is accepted`);
      }
    }
    t.diagnostic(`${refused} refused, ${equivalent} equivalent`);
    assert.ok(refused > 2000);
  });
});

describe('random edits', () => {
  for (const name of ['sha256', 'compress'])
    test(`${name}: ${ROUNDS}`, { skip: noClang }, (t) => {
      const { module, certificate } = prove(compileC(name, ['-O1']));
      const claims = certificateOf(certificate);
      const random = randomNumbers(ROUNDS);
      const accepted = new Map<string, number>();
      let refused = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const edited = edit(module, random);
        if (!checkProof(edited, bind({ module: edited, certificate: claims })).ok) {
          refused++;
          continue;
        }
        const show = `round ${round}: ${Buffer.from(edited).toString('hex')}`;
        const difference = differenceOf(module, edited);
        assert.notEqual(difference, undefined, show);
        accepted.set(difference ?? '', (accepted.get(difference ?? '') ?? 0) + 1);
        assertBounded(edited, show);
      }
      t.diagnostic(`${refused} refused, equivalent: ${JSON.stringify([...accepted])}`);
      assert.ok(refused > ROUNDS / 4);
    });

  test(`certificates: ${ROUNDS}`, { skip: noClang }, () => {
    const { module, certificate } = prove(compileC('compress', ['-O1']));
    const random = randomNumbers(ROUNDS + 1);
    const before = Buffer.from(certificate).toString();
    for (let round = 0; round < ROUNDS; round++) {
      const edited = edit(certificate, random);
      const text = Buffer.from(edited).toString();
      const checked = checkProof(module, edited);
      // What is accepted says more than it must of something: more fuel, another rank that is high enough.
      if (checked.ok && text !== before)
        assert.ok(isWeaker(certificateOf(certificate), certificateOf(edited)), text);
    }
  });
});

function isWeaker(one: ReturnType<typeof certificateOf>, other: typeof one): boolean {
  const { functions, opcodes, loops, stack, ...rest } = one;
  const same =
    JSON.stringify({ ...other, functions, opcodes, loops, stack }) === JSON.stringify(one);
  return (
    same &&
    rest.format === 'wasm-pcc/v1' &&
    stack.counted === other.stack.counted &&
    functions.every(([, fuel], i) => {
      const [, otherFuel = 0] = other.functions[i] ?? [];
      return otherFuel === 0 || otherFuel >= fuel;
    }) &&
    loops.every(([f, loop, local, turns], i) => {
      const [g, n, other_, most = 0] = other.loops[i] ?? [];
      return f === g && loop === n && local === other_ && most >= turns;
    })
  );
}
