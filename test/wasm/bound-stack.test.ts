/** The bound on the stack: it changes nothing else, gives back what it takes, and is reached before the engine's own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Line } from '../../src/wasm/assemble.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { boundStack } from '../../src/wasm/rewrite/bound-stack.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { build, type ModuleSketch } from './build-module.ts';
import { type Exports, instantiate, outcome } from './engine.ts';
import { randomModule } from './random-module.ts';
import { runAll } from './run-random.ts';

const STACK = 'caisson.stack';
/** 781 KiB, of the 984 that V8 has by default. */
const SLOTS = 100_000;

const bounded = (parts: ModuleSketch, slots = SLOTS): Uint8Array =>
  encode(boundStack(decode(build(parts)), slots));
const left = (exports: Exports): unknown => exports[STACK]?.value;

test('random programs do the same, and leave as much stack as they found', () => {
  for (let seed = 0; seed < 150; seed++) {
    const parts = randomModule(seed);
    const seen = runAll(bounded(parts), parts, (exports, run) => {
      const stack = exports[STACK] as { value: unknown };
      stack.value = SLOTS;
      const ended = run();
      if (!ended.includes('Error')) assert.equal(stack.value, SLOTS, `seed ${seed}`);
      return ended;
    });
    assert.deepEqual(seen, runAll(build(parts), parts), `seed ${seed}`);
  }
});

test('all rewriting together does the same, too', () => {
  for (let seed = 0; seed < 150; seed++) {
    const parts = randomModule(seed);
    const options = { fuel: {}, stackSlots: SLOTS, memoryPages: 3, tableElements: 20 };
    const bytes = encode(rewrite(decode(build(parts)), options));
    const seen = runAll(bytes, parts, (exports, run) => {
      (exports[STACK] as { value: unknown }).value = SLOTS;
      (exports['caisson.fuel'] as { value: unknown }).value = 2n ** 60n;
      return run();
    });
    assert.deepEqual(seen, runAll(build(parts), parts), `seed ${seed}`);
  }
});

describe('endless recursion ends at the bound, not at the end of the stack', () => {
  const zero: Line = ['i64.const', 0];
  const many = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of);
  const recursions: Record<string, ModuleSketch> = {
    'of the smallest frame': { functions: [{ export: 'f', code: [['call', 0]] }] },
    'through a result': {
      functions: [
        { export: 'f', results: ['i32'], code: [['call', 0], ['i32.const', 1], 'i32.add'] },
      ],
    },
    'of two functions': {
      functions: [
        { export: 'f', code: [['call', 1]] },
        { export: 'g', code: [['call', 0]] },
      ],
    },
    'through a table': {
      tables: [{ element: 0x70, limits: { minimum: 1, maximum: 1, shared: false } }],
      elements: { count: 1, content: Uint8Array.of(0, 0x41, 0, 0x0b, 1, 0) },
      functions: [
        {
          export: 'f',
          code: [
            ['i32.const', 0],
            ['call_indirect', 0, 0],
          ],
        },
      ],
    },
    'with many locals': {
      functions: [
        {
          export: 'f',
          locals: many(2000, 'i64' as const),
          code: [
            ['call', 0],
            // Every one of them is wanted after the call.
            ...Array.from({ length: 2000 }, (_, index): Line => ['local.get', index]),
            ...many(2000, 'drop'),
          ],
        },
      ],
    },
    'with many parameters': {
      functions: [
        {
          parameters: many(900, 'i64' as const),
          code: [
            ...Array.from({ length: 900 }, (_, index): Line => ['local.get', index]),
            ['call', 0],
          ],
        },
        { export: 'f', code: [...many(900, zero), ['call', 0]] },
      ],
    },
    'with many results': {
      functions: [
        {
          results: many(900, 'i64' as const),
          code: [['call', 0]],
        },
        { export: 'f', code: [['call', 0], ...many(900, 'drop')] },
      ],
    },
    'with a high stack of operands': {
      functions: [
        {
          export: 'f',
          results: ['i64'],
          code: [
            ...many(1500, ['i32.const', 0] as Line).flatMap((line): Line[] => [
              line,
              ['memory.size', 0],
              'i32.add',
              'i64.extend_i32_u',
            ]),
            ['call', 0],
            ...many(1500, 'i64.add'),
          ],
        },
      ],
      memory: { minimum: 1 },
    },
    'of vectors': {
      functions: [
        {
          results: ['v128'],
          locals: many(500, 'v128' as const),
          code: [
            ['call', 0],
            ...Array.from({ length: 500 }, (_, index): Line[] => [
              ['local.get', index],
              'v128.xor',
            ]).flat(),
          ],
        },
        { export: 'f', code: [['call', 0], 'drop'] },
      ],
    },
  };
  for (const [name, parts] of Object.entries(recursions)) {
    test(name, () => {
      const plain = outcome(() => instantiate(build(parts)).f?.());
      assert.match(plain, /^RangeError: Maximum call stack/);
      const exports = instantiate(bounded(parts));
      for (let turn = 0; turn < 3; turn++) {
        (exports[STACK] as { value: unknown }).value = SLOTS;
        assert.equal(
          outcome(() => exports.f?.()),
          'RuntimeError: unreachable',
        );
        assert.ok((left(exports) as number) < 0);
      }
    });
  }
});

describe('whatever leaves a function gives its slots back', () => {
  const caller: Line[] = [['call', 1]];
  const leave: Record<string, readonly Line[]> = {
    'its end': caller,
    'a return': [...caller, 'return', 'unreachable'],
    'a return from blocks': [
      ...caller,
      ['block', -0x40],
      ['loop', -0x40],
      'return',
      'end',
      'end',
      'unreachable',
    ],
    'a branch to its label': [...caller, ['block', -0x40], ['br', 1], 'end', 'unreachable'],
    'a conditional one': [...caller, ['i32.const', 1], ['br_if', 0], 'unreachable'],
    'a table of labels': [...caller, ['i32.const', 5], ['br_table', 1, 0, 0]],
    'a tail call': [...caller, ['return_call', 1]],
  };
  for (const [name, code] of Object.entries(leave)) {
    test(name, () => {
      const exports = instantiate(bounded({ functions: [{ export: 'f', code }, { code: [] }] }));
      assert.equal(
        outcome(() => exports.f?.()),
        'undefined',
      );
      assert.equal(left(exports), SLOTS);
    });
  }

  test('tail calls go on for as long as they like', () => {
    const code: Line[] = [
      ['local.get', 0],
      'i32.eqz',
      ['if', -0x40],
      'return',
      'end',
      ['local.get', 0],
      ['i32.const', 1],
      'i32.sub',
      ['return_call', 0],
    ];
    const exports = instantiate(
      bounded({ functions: [{ export: 'f', parameters: ['i32'], code }] }),
    );
    assert.equal(
      outcome(() => exports.f?.(1_000_000)),
      'undefined',
    );
    assert.equal(left(exports), SLOTS);
  });
});

test('several results need a type of block, which is added once', () => {
  const function_ = {
    results: ['i32', 'i64'] as const,
    parameters: ['i32'] as const,
    code: [['i32.const', 1], ['i64.const', 2], 'return'] as Line[],
  };
  const calling = {
    ...function_,
    code: [
      ['local.get', 0],
      ['call', 0],
    ] as Line[],
  };
  const parts: ModuleSketch = {
    functions: [
      { ...function_, export: 'f' },
      { ...calling, export: 'g' },
      { ...calling, export: 'h' },
    ],
  };
  const module = boundStack(decode(build(parts)), SLOTS);
  assert.equal(module.types.length, 4);
  assert.deepEqual(instantiate(encode(module)).g?.(0), [1, 2n]);
});
