/** Clamped maxima, as the engine holds them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import type { Limits } from '../../src/wasm/module.ts';
import { clampLimits, type LimitsOptions } from '../../src/wasm/rewrite/clamp-limits.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { build, type ModuleSketch } from './build-module.ts';
import { engine, instantiate } from './engine.ts';

const clamped = (parts: ModuleSketch, options: LimitsOptions): Uint8Array =>
  encode(clampLimits(decode(build(parts)), options));

function withMemory(maximum: number | undefined): ModuleSketch {
  return {
    memory: { minimum: 2, maximum },
    functions: [
      {
        export: 'grow',
        parameters: ['i32'],
        results: ['i32'],
        code: [
          ['local.get', 0],
          ['memory.grow', 0],
        ],
      },
    ],
  };
}

test('a memory grows to the clamp and no further, whatever it declares', () => {
  for (const [declared, reached] of [
    [undefined, 5],
    [100, 5],
    [3, 3],
  ] as const) {
    const exports = instantiate(clamped(withMemory(declared), { memoryPages: 5 }));
    assert.equal(exports.grow?.(reached + 1 - 2), -1);
    assert.equal(exports.grow?.(reached - 2), 2);
    assert.equal(exports.grow?.(1), -1);
  }
});

test('a table, too', () => {
  const limits: Limits = { minimum: 2, maximum: undefined, shared: false };
  const parts: ModuleSketch = {
    tables: [{ element: 0x70, limits }],
    functions: [
      {
        export: 'grow',
        parameters: ['i32'],
        results: ['i32'],
        code: [
          ['ref.null', 0x70],
          ['local.get', 0],
          ['table.grow', 0],
        ],
      },
    ],
  };
  const exports = instantiate(clamped(parts, { tableElements: 10 }));
  assert.equal(exports.grow?.(9), -1);
  assert.equal(exports.grow?.(8), 2);
});

test('an imported memory must come with a maximum that is no higher', () => {
  const type: Limits = { minimum: 1, maximum: undefined, shared: false };
  const parts: ModuleSketch = {
    imports: [{ module: 'env', name: 'memory', entity: { kind: 'memory', type } }],
  };
  const bytes = clamped(parts, { memoryPages: 5 });
  const link = (maximum?: number): unknown =>
    instantiate(bytes, {
      env: {
        memory: new engine.Memory({ initial: 1, ...(maximum === undefined ? {} : { maximum }) }),
      },
    });
  assert.doesNotThrow(() => link(5));
  assert.throws(() => link(6), { name: 'LinkError' });
  assert.throws(() => link(), { name: 'LinkError' });
});

test('who begins above the clamp is refused, by what it is', () => {
  assert.throws(() => clamped(withMemory(undefined), { memoryPages: 1 }), {
    code: 'WASM_REFUSED',
    message: "the module's memory begins with 2 pages, it may have 1",
  });
  const limits: Limits = { minimum: 11, maximum: 12, shared: false };
  assert.throws(() => clamped({ tables: [{ element: 0x70, limits }] }, { tableElements: 10 }), {
    code: 'WASM_REFUSED',
    message: "the module's table begins with 11 elements, it may have 10",
  });
});

test('numbers that are no limits are refused', () => {
  const module = decode(build({}));
  for (const options of [
    { memoryPages: 65_537 },
    { memoryPages: -1 },
    { stackSlots: Number.POSITIVE_INFINITY },
    { stackSlots: 1.5 },
    { tableElements: Number.NaN },
  ])
    assert.throws(() => rewrite(module, options), { code: 'REQUEST_INVALID', layer: 'wasm' });
});

test('names that are kept for the host are refused, whatever is rewritten', () => {
  const module = decode(build({ functions: [{ export: 'caisson.start', code: [] }] }));
  assert.throws(() => rewrite(module, {}), {
    code: 'WASM_REFUSED',
    message: /exports caisson\.start/,
  });
});
