/** Fuel: it changes nothing else, counts exactly, and ends a guest before what it cannot pay. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Line } from '../../src/wasm/assemble.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { type FuelOptions, meterFuel } from '../../src/wasm/rewrite/meter-fuel.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { build, type ModuleSketch } from './build-module.ts';
import { countInstructions } from './count-instructions.ts';
import { type Exports, engine, instantiate, outcome } from './engine.ts';
import { randomModule } from './random-module.ts';
import { runAll } from './run-random.ts';

const SEEDS = 150;
const PLENTY = 2n ** 60n;
const FUEL = 'caisson.fuel';

function metered(parts: ModuleSketch, options: FuelOptions = {}): Uint8Array {
  return encode(meterFuel(decode(build(parts)), options));
}

/** Gives fuel, calls, and says what was used. */
function spend(
  exports: Exports,
  run: () => unknown,
  fuel = PLENTY,
): { used: bigint; ended: string } {
  const global = exports[FUEL];
  assert.ok(global);
  global.value = fuel;
  const ended = outcome(run);
  return { used: fuel - (global.value as bigint), ended };
}

test('random programs do the same with fuel, and use the same fuel every time', () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const parts = randomModule(seed);
    const bytes = metered(parts);
    const used: bigint[][] = [[], []];
    const plain = runAll(build(parts), parts);
    for (const turn of used) {
      const withFuel = runAll(bytes, parts, (exports, run) => {
        const spent = spend(exports, run);
        turn.push(spent.used);
        return spent.ended;
      });
      // A trap that only fuel can have caused says `unreachable` with the fuel below zero; none is here.
      assert.deepEqual(withFuel, plain, `seed ${seed}`);
    }
    assert.deepEqual(used[0], used[1], `seed ${seed}`);
    assert.ok(used[0]?.some((units) => units > 0n));
  }
});

test('what is charged is what was executed, instruction by instruction', () => {
  let compared = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const parts = randomModule(seed, { withoutBulk: true });
    const counts: bigint[] = [];
    const plain = runAll(encode(countInstructions(decode(build(parts)))), parts, (exports, run) => {
      const count = exports.count as { value: unknown };
      count.value = 0n;
      const ended = run();
      counts.push(count.value as bigint);
      return ended;
    });
    const charged: bigint[] = [];
    runAll(metered(parts), parts, (exports, run) => {
      const { used, ended } = spend(exports, run);
      charged.push(used);
      return ended;
    });
    for (const [index, ended] of plain.outcomes.entries()) {
      // A stretch that traps in the middle was paid for as a whole.
      if (ended.includes('Error')) continue;
      assert.equal(charged[index], counts[index], `seed ${seed}, call ${index}`);
      compared++;
    }
  }
  assert.ok(compared > SEEDS);
});

test('exactly enough is enough; one less ends it, with the fuel below zero', () => {
  let ended = 0;
  for (let seed = 0; seed < 40; seed++) {
    const parts = randomModule(seed);
    const bytes = metered(parts);
    for (const [index, { parameters = [] }] of (parts.functions ?? []).entries()) {
      const args = parameters.map((type) => (type === 'i64' ? 4n : 4));
      const call = (exports: Exports) => () => exports[`f${index}`]?.(...args);
      const full = instantiate(bytes);
      const { used, ended: plain } = spend(full, call(full));
      if (plain.includes('Error')) continue;
      const exact = instantiate(bytes);
      assert.deepEqual(spend(exact, call(exact), used), { used, ended: plain });
      const short = instantiate(bytes);
      const cut = spend(short, call(short), used - 1n);
      assert.equal(cut.ended, 'RuntimeError: unreachable');
      assert.ok(cut.used > used - 1n);
      ended++;
    }
  }
  assert.ok(ended > 40);
});

describe('what never ends by itself is ended', () => {
  const endless: Record<string, ModuleSketch> = {
    'an empty loop': { functions: [{ export: 'f', code: [['loop', -0x40], ['br', 0], 'end'] }] },
    'a conditional one': {
      functions: [
        {
          export: 'f',
          code: [['loop', -0x40], ['i32.const', 1], ['br_if', 0], 'end'],
        },
      ],
    },
    'a table of labels': {
      functions: [
        { export: 'f', code: [['loop', -0x40], ['i32.const', 7], ['br_table', 1, 0, 0], 'end'] },
      ],
    },
    'tail calls': { functions: [{ export: 'f', code: [['return_call', 0]] }] },
    'two that tail-call each other': {
      functions: [
        { export: 'f', code: [['return_call', 1]] },
        { export: 'g', code: [['return_call', 0]] },
      ],
    },
    'a loop that calls': {
      functions: [
        { export: 'f', code: [['loop', -0x40], ['call', 1], ['br', 0], 'end'] },
        { export: 'g', code: ['nop'] },
      ],
    },
    'a loop around memory.size': {
      memory: { minimum: 1 },
      functions: [
        { export: 'f', code: [['loop', -0x40], ['memory.size', 0], 'drop', ['br', 0], 'end'] },
      ],
    },
  };
  for (const [name, parts] of Object.entries(endless)) {
    test(name, () => {
      const exports = instantiate(metered(parts));
      const { used, ended } = spend(exports, () => exports.f?.(), 10_000n);
      assert.equal(ended, 'RuntimeError: unreachable');
      assert.ok(used > 10_000n && used < 10_010n);
    });
  }
});

describe('lengths are paid for before they are worked through', () => {
  const bulk = (code: readonly Line[]): ModuleSketch => ({
    memory: { minimum: 16, maximum: 32 },
    tables: [{ element: 0x70, limits: { minimum: 1000, maximum: 2000, shared: false } }],
    data: { count: 1, content: Uint8Array.of(1, 4, 1, 2, 3, 4) },
    elements: { count: 1, content: Uint8Array.of(1, 0, 1, 0) },
    functions: [{ export: 'f', results: [], code }],
  });
  const three = (length: number): Line[] => [
    ['i32.const', 0],
    ['i32.const', 0],
    ['i32.const', length],
  ];
  const cases: [string, Line[], number][] = [
    ['memory.fill', [...three(80_000), ['memory.fill', 0]], 80_000 / 8 + 103],
    ['memory.copy', [...three(80_000), ['memory.copy', 0, 0]], 80_000 / 8 + 4],
    ['memory.init', [...three(0), ['memory.init', 0, 0]], 4],
    [
      'table.fill',
      [
        ['i32.const', 0],
        ['ref.null', 0x70],
        ['i32.const', 900],
        ['table.fill', 0],
      ],
      1003,
    ],
    ['table.copy', [...three(900), ['table.copy', 0, 0]], 1003],
    ['table.init', [...three(1), ['table.init', 0, 0]], 104],
    ['memory.grow', [['i32.const', 10], ['memory.grow', 0], 'drop'], 10 * 8192 + 1002],
    ['memory.grow that fails', [['i32.const', 1000], ['memory.grow', 0], 'drop'], 1002],
    ['table.grow', [['ref.null', 0x70], ['i32.const', 700], ['table.grow', 0], 'drop'], 803],
    [
      'table.grow that fails',
      [['ref.null', 0x70], ['i32.const', -1], ['table.grow', 0], 'drop'],
      103,
    ],
  ];
  for (const [name, code, price] of cases) {
    // In a function with a loop fuel is held elsewhere, and costs the same.
    for (const held of [false, true]) {
      const whole: Line[] = held ? [['loop', -0x40], 'end', ...code] : code;
      test(`${name}${held ? ', with a loop' : ''}`, () => {
        const exports = instantiate(metered(bulk(whole)));
        const { used, ended } = spend(exports, () => exports.f?.());
        assert.deepEqual({ used, ended }, { used: BigInt(price), ended: 'undefined' });
      });
    }
  }

  test('a fill that cannot be paid does not happen', () => {
    const code: Line[] = [
      ['i32.const', 0],
      ['i32.const', 7],
      ['i32.const', 80_000],
      ['memory.fill', 0],
    ];
    const exports = instantiate(metered(bulk(code)));
    assert.equal(spend(exports, () => exports.f?.(), 100n).ended, 'RuntimeError: unreachable');
    assert.equal(new Uint8Array(exports.memory?.buffer ?? new ArrayBuffer())[0], 0);
  });

  test('a length is unsigned', () => {
    const code: Line[] = [
      ['i32.const', 0],
      ['i32.const', 7],
      ['i32.const', -1],
      ['memory.fill', 0],
    ];
    const exports = instantiate(metered(bulk(code)));
    const { used, ended } = spend(exports, () => exports.f?.());
    assert.equal(ended, 'RuntimeError: memory access out of bounds');
    assert.equal(used, 2n ** 29n + 102n);
  });
});

test('a host function sees what is left, and may take from it', () => {
  const parts: ModuleSketch = {
    types: [{ parameters: [], results: [] }],
    imports: [{ module: 'host', name: 'work', entity: { kind: 'function', type: 1 } }],
    functions: [{ export: 'f', code: [['loop', -0x40], ['call', 0], 'end', 'nop', ['call', 0]] }],
  };
  const seen: bigint[] = [];
  const host = {
    work() {
      const fuel = exports[FUEL] as { value: bigint };
      seen.push(fuel.value);
      fuel.value -= 100n;
    },
  };
  const exports: Exports = instantiate(metered(parts), { host });
  assert.deepEqual(
    spend(exports, () => exports.f?.(), 1000n),
    { used: 202n, ended: 'undefined' },
  );
  assert.deepEqual(seen, [998n, 898n]);
});

test('the start function waits until the host calls it', () => {
  const parts: ModuleSketch = {
    start: 0,
    functions: [
      {
        code: [
          ['i32.const', 42],
          ['global.set', 0],
        ],
      },
    ],
    globals: [{ type: 'i32', initial: ['i32.const', 0], export: 'g' }],
  };
  const exports = instantiate(encode(rewrite(decode(build(parts)), { fuel: {} })));
  assert.equal(exports.g?.value, 0);
  const start = exports['caisson.start'];
  assert.deepEqual(
    spend(exports, () => start?.(), 10n),
    { used: 2n, ended: 'undefined' },
  );
  assert.equal(exports.g?.value, 42);
});

test('locals are set to zero at each entry, which many of them make dear', () => {
  const code: Line[] = [['local.get', 0], 'drop'];
  for (const [count, price] of [
    [7, 2n],
    [8, 3n],
    [40_000, 5002n],
  ] as const) {
    const locals = Array.from({ length: count }, () => 'i64' as const);
    const exports = instantiate(metered({ functions: [{ export: 'f', locals, code }] }));
    assert.equal(spend(exports, () => exports.f?.()).used, price);
  }
});

test('costs can be told by name', () => {
  const parts: ModuleSketch = {
    functions: [{ export: 'f', code: [['i32.const', 6], ['i32.const', 3], 'i32.div_u', 'drop'] }],
  };
  const exports = instantiate(metered(parts, { costs: { 'i32.div_u': 20 } }));
  assert.equal(spend(exports, () => exports.f?.()).used, 23n);
  for (const costs of [
    { 'i32.dvi_u': 2 },
    { 'i32.div_u': 0 },
    { br: 0.5 },
    { loop: 1 },
    { br: -1 },
  ])
    assert.throws(() => metered(parts, { costs }), { code: 'REQUEST_INVALID', layer: 'wasm' });
});

test('a module that exports the name of the global is refused', () => {
  const parts: ModuleSketch = {
    functions: [{ export: FUEL, code: [] }],
  };
  assert.throws(() => metered(parts), { code: 'WASM_REFUSED' });
});

test('code that names a global before it exists does not get the fuel', () => {
  const forged = build({
    functions: [
      {
        export: 'f',
        code: [
          ['i64.const', 9],
          ['global.set', 0],
        ],
      },
    ],
  });
  assert.throws(() => decode(forged), { code: 'WASM_MALFORMED', message: /no global 0/ });
  assert.equal(engine.validate(forged), false);
});
