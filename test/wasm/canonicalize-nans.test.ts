/** Canonical NaNs: the same bits whatever the engine makes of them, and every other result unchanged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Line } from '../../src/wasm/assemble.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { canonicalizeNans } from '../../src/wasm/rewrite/canonicalize-nans.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { build, type ModuleSketch } from './build-module.ts';
import { instantiate } from './engine.ts';

type Bytes = readonly number[];
const little = (value: bigint, bytes: number): Bytes =>
  Array.from({ length: bytes }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));

/** A signalling NaN, one with a payload and a sign. */
const ODD: Readonly<Record<string, readonly bigint[]>> = {
  f32: [0x7fa00001n, 0xffc12345n],
  f64: [0x7ff4000000000001n, 0xfff8123456789abcn],
};
const CANONICAL: Readonly<Record<string, bigint>> = { f32: 0x7fc00000n, f64: 0x7ff8000000000000n };
const ONE: Readonly<Record<string, bigint>> = { f32: 0x3f800000n, f64: 0x3ff0000000000000n };

/** Bits of what an instruction gives for operands of these bits; vectors have the same in each lane. */
function bitsOf(
  name: string,
  type: string,
  operands: readonly bigint[],
  rewritten: boolean,
): bigint[] {
  const scalar = type.slice(0, 3);
  const width = scalar === 'f32' ? 4 : 8;
  const vector = type.includes('x');
  const constant = (bits: bigint): Line => {
    const lane = little(bits, width);
    if (!vector) return [`${scalar}.const`, ...lane];
    return ['v128.const', ...Array.from({ length: 16 / width }, () => lane).flat()];
  };
  const result = name.split('.')[0] ?? '';
  const store: Line = vector ? ['v128.store', 0, 0] : [`${result}.store`, 0, 0];
  const bytes = build({
    memory: { minimum: 1 },
    functions: [{ export: 'f', code: [['i32.const', 0], ...operands.map(constant), name, store] }],
  });
  const exports = instantiate(rewritten ? encode(canonicalizeNans(decode(bytes))) : bytes);
  exports.f?.();
  const view = new DataView(exports.memory?.buffer ?? new ArrayBuffer());
  const out = result.startsWith('f32') ? 4 : 8;
  const lanes = vector && !/demote|promote/.test(name) ? 16 / out : 1;
  return Array.from({ length: lanes }, (_, lane) =>
    out === 4 ? BigInt(view.getUint32(4 * lane, true)) : view.getBigUint64(8 * lane, true),
  );
}

const BINARY = 'add sub mul div min max'.split(' ');
const UNARY = 'sqrt ceil floor trunc nearest'.split(' ');
const CONVERSIONS: [string, string][] = [
  ['f32.demote_f64', 'f64'],
  ['f64.promote_f32', 'f32'],
  ['f32x4.demote_f64x2_zero', 'f64x2'],
  ['f64x2.promote_low_f32x4', 'f32x4'],
];

for (const type of ['f32', 'f64', 'f32x4', 'f64x2']) {
  describe(type, () => {
    const scalar = type.slice(0, 3);
    const one = ONE[scalar] ?? 0n;
    const canonical = CANONICAL[scalar] ?? 0n;
    for (const operation of [...BINARY, ...UNARY]) {
      test(operation, () => {
        const name = `${type}.${operation}`;
        const binary = BINARY.includes(operation);
        for (const odd of ODD[scalar] ?? []) {
          for (const operands of binary
            ? [
                [odd, one],
                [one, odd],
                [odd, odd],
              ]
            : [[odd]])
            for (const lane of bitsOf(name, type, operands, true)) assert.equal(lane, canonical);
        }
        const plain = binary ? [one, one] : [one];
        assert.deepEqual(bitsOf(name, type, plain, true), bitsOf(name, type, plain, false));
      });
    }

    test('neg, abs and copysign keep the bits of a NaN', () => {
      const [odd = 0n] = ODD[scalar] ?? [];
      for (const name of [`${type}.neg`, `${type}.abs`])
        assert.deepEqual(bitsOf(name, type, [odd], true), bitsOf(name, type, [odd], false));
    });
  });
}

test('without it, what a NaN carries gets through', () => {
  for (const type of ['f32', 'f64', 'f32x4', 'f64x2']) {
    const [, odd = 0n] = ODD[type.slice(0, 3)] ?? [];
    const one = ONE[type.slice(0, 3)] ?? 0n;
    assert.equal(bitsOf(`${type}.add`, type, [odd, one], false)[0], odd);
  }
});

for (const [name, from] of CONVERSIONS) {
  test(name, () => {
    const [odd = 0n] = ODD[from.slice(0, 3)] ?? [];
    const one = ONE[from.slice(0, 3)] ?? 0n;
    const canonical = CANONICAL[name.slice(0, 3)];
    assert.equal(bitsOf(name, from, [odd], true)[0], canonical);
    assert.deepEqual(bitsOf(name, from, [one], true), bitsOf(name, from, [one], false));
  });
}

test('deterministic mode refuses threads and relaxed SIMD by name and place', () => {
  const vector: Line = ['v128.const', ...Array.from({ length: 16 }, () => 0)];
  const cases: [ModuleSketch, string, string][] = [
    [
      {
        functions: [{ code: [vector, vector, 'i8x16.relaxed_swizzle', 'drop'] }],
      },
      'relaxed SIMD',
      'i8x16.relaxed_swizzle',
    ],
    [
      {
        memory: { minimum: 1 },
        functions: [{ code: [['i32.const', 0], ['i32.atomic.load', 2, 0], 'drop'] }],
      },
      'threads',
      'i32.atomic.load',
    ],
    [{ memory: { minimum: 1, maximum: 2, shared: true } }, 'threads', 'shared memory'],
  ];
  for (const [parts, feature, instruction] of cases) {
    const module = decode(build(parts));
    rewrite(module, {});
    assert.throws(
      () => rewrite(module, { deterministic: true }),
      (error: { code: string; message: string; details: object }) => {
        assert.equal(error.code, 'WASM_REFUSED');
        assert.ok(error.message.includes(feature) && error.message.includes(instruction));
        assert.partialDeepStrictEqual(error.details, { feature, instruction });
        return true;
      },
    );
  }
});
