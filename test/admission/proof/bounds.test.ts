/** Proved modules from C, run to their bounds: they do what they did, to the unit of fuel and the slot of stack. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { checkProof } from '../../../src/admission/proof/check-proof.ts';
import { prove } from '../../../src/admission/proof/prover/prove.ts';
import type { WasmOptions } from '../../../src/backends/program.ts';
import { WasmEngine } from '../../../src/backends/wasm/wasm-engine.ts';
import { decode } from '../../../src/wasm/decode.ts';
import { encode } from '../../../src/wasm/encode.ts';
import { rewrite } from '../../../src/wasm/rewrite/rewrite.ts';
import { type Exports, engine, instantiate } from '../../wasm/engine.ts';
import { randomNumbers } from '../../wasm/random-module.ts';
import { compileC, noClang, noLibrary } from './compile-c.ts';
import { certificateOf } from './mutants.ts';
import { MOST_A_UNIT, observe } from './oracle.ts';

const FLAGS = ['-O0', '-O1', '-O2', '-Os'];
const FUEL = 10n ** 9n;

function proved(name: string, flag: string) {
  const bytes = compileC(name, [flag]);
  const made = prove(bytes);
  const checked = checkProof(made.module, made.certificate);
  assert.ok(checked.ok, JSON.stringify(checked));
  return { bytes, ...made, bounds: checked.proof.bounds };
}

/** Bytes that a compressor finds something in. */
function text(length: number): Uint8Array {
  const random = randomNumbers(length);
  return Uint8Array.from({ length }, (_, i) => (i % 97) * Math.floor(random() * 1.1));
}

function memoryOf(exports: Exports, at: number, length: number): Uint8Array {
  return new Uint8Array((exports.memory as { buffer: ArrayBuffer }).buffer, at, length);
}

function give(exports: Exports, input: Uint8Array): void {
  (exports['caisson.fuel'] as { value: unknown }).value = FUEL;
  memoryOf(exports, Number(exports.input_at?.()), input.length).set(input);
}

describe('SHA-256 in C', () => {
  for (const flag of FLAGS)
    test(`${flag}: right, and bounded to the unit`, { skip: noClang }, () => {
      const { module, bytes } = proved('sha256', flag);
      const input = text(1000);
      const exports = instantiate(module);
      give(exports, input);
      const at = Number(exports.sha256?.(1000));
      const digest = Buffer.from(memoryOf(exports, at, 32)).toString('hex');
      assert.equal(digest, createHash('sha256').update(input).digest('hex'));

      const run = (fuel: bigint) =>
        observe(module, 'sha256', [1000], { fuel, slots: 65_536 }, (each) => give(each, input));
      const { used, instructions, ending, slotsLeft } = run(FUEL);
      assert.deepEqual([ending, slotsLeft], ['returned', 65_536]);
      assert.ok(instructions <= MOST_A_UNIT * Number(used));
      assert.deepEqual([run(used).ending, run(used).used], ['returned', used]);
      assert.equal(run(used - 1n).ending, 'out of fuel');
      assert.equal(run(0n).ending, 'out of fuel');
      // What is paid ahead is what it costs: as if it were metered as it goes.
      const metered = encode(rewrite(decode(bytes), { fuel: {}, stackSlots: 65_536 }));
      const plain = instantiate(metered);
      give(plain, input);
      (plain['caisson.fuel'] as { value: unknown }).value = FUEL;
      plain.sha256?.(1000);
      assert.equal(FUEL - ((plain['caisson.fuel'] as { value: unknown }).value as bigint), used);
    });

  test('loops with constant bounds have witnesses', { skip: noClang }, () => {
    const { loops } = certificateOf(proved('sha256', '-O1').certificate);
    assert.ok(loops.length >= 3, JSON.stringify(loops));
    assert.ok(loops.some(([, , , turns]) => turns === 64 || turns === 48));
  });
});

describe('a compressor in C', () => {
  for (const flag of FLAGS)
    test(`${flag}: packs and expands, and ends where its fuel ends`, { skip: noClang }, () => {
      const { module } = proved('compress', flag);
      const input = text(20_000);
      const exports = instantiate(module);
      give(exports, input);
      const packed = Number(exports.compress?.(input.length));
      assert.ok(packed < input.length / 2, `${packed}`);
      const length = Number(exports.expand?.(packed));
      const out = memoryOf(exports, Number(exports.output_at?.()), length);
      assert.deepEqual(Buffer.from(out), Buffer.from(input));
      const run = (fuel: bigint) =>
        observe(module, 'compress', [2000], { fuel, slots: 65_536 }, (each) => give(each, input));
      const { used } = run(FUEL);
      assert.equal(run(used).ending, 'returned');
      for (const fuel of [used - 1n, used / 2n, 1n]) assert.equal(run(fuel).ending, 'out of fuel');
    });

  for (const flag of ['-O0', '-O2'])
    test(`${flag}: goes as deep as its slots, and no deeper`, { skip: noClang }, () => {
      const { module, bounds } = proved('compress', flag);
      const slots = Number(bounds.countedSlots);
      const at = (depth: number) => observe(module, 'dive', [depth], { fuel: FUEL, slots });
      let [fits, fails] = [1, 100_000];
      while (fails - fits > 1) {
        const middle = (fits + fails) >> 1;
        if (at(middle).ending === 'returned') fits = middle;
        else fails = middle;
      }
      assert.deepEqual([at(fits).value, at(fits).slotsLeft], [fits, slots]);
      const beyond = at(fails);
      assert.deepEqual([beyond.ending, beyond.slotsLeft < 0], ['out of stack', true]);
      // Frames of 10 slots at least: what was counted is what there is.
      assert.ok(fits <= slots / 10);
    });
});

describe('a program with a whole C library', () => {
  async function run(bytes: Uint8Array, wasm: WasmOptions) {
    let printed = '';
    const host = new WasmEngine(64 * 2 ** 20);
    const ended = await host.evaluate(
      {
        program: {
          id: createHash('sha256').update(bytes).digest('hex'),
          language: 'wasm',
          files: { m: bytes },
          entry: 'm',
        },
        export: 'default',
        args: [],
        grants: [],
        ...{ keep: 'nothing', cpuMs: 5000, wallMs: 5000, outputBytes: 1000, resultBytes: 1000 },
        wasm: { args: ['library', '7'], ...wasm },
      },
      {
        call: () => Promise.reject(new Error('none')),
        write: (_, out) => {
          printed += typeof out === 'string' ? out : Buffer.from(out).toString();
        },
      },
    );
    return { ...ended, printed };
  }

  for (const flag of FLAGS)
    test(`${flag}: prints the same, for the same fuel, and ends at its bound`, {
      skip: noLibrary,
    }, async () => {
      const { bytes, module, certificate } = proved('library', flag);
      const metered = await run(bytes, { fuel: FUEL });
      const ended = await run(module, { fuel: FUEL, certificate });
      assert.equal(
        ended.kind,
        'value',
        JSON.stringify(ended, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
      );
      assert.match(ended.printed, /^\d+ \d+ \d+ \d+\.\d{3} \d+\n$/);
      assert.deepEqual([ended.printed, ended.fuel], [metered.printed, metered.fuel]);
      const { fuel = 0n } = ended;
      assert.equal((await run(module, { fuel, certificate })).kind, 'value');
      const short = await run(module, { fuel: fuel - 1n, certificate });
      assert.ok(short.kind === 'timed-out' && short.clock === 'fuel');
    });
});

test('the engine takes all of them', { skip: noClang }, () => {
  for (const flag of FLAGS) assert.ok(engine.validate(proved('compress', flag).module));
});
