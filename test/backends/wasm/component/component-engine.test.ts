/** Components in the engine itself, without a wall: values, limits, imports, and bytes that are no component. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { Evaluate, Evaluated } from '../../../../src/backends/program.ts';
import { WasmEngine } from '../../../../src/backends/wasm/wasm-engine.ts';
import {
  doubling,
  GREEDY,
  INTERFACE,
  LINKED,
  LOOKING,
  manyInstances,
  named,
  TAKING,
  VALUES,
  WANTING,
} from './texts.ts';
import { type WasmTools, wasmTools } from './wasm-tools.ts';

const MiB = 2 ** 20;
const compiler = join(
  dirname(fileURLToPath(import.meta.resolve('@bytecodealliance/jco-transpile/component'))),
  'js-component-bindgen-component.core.wasm',
);

let tools: WasmTools;
let engine: WasmEngine;
before(async () => {
  tools = await wasmTools();
  // After them: what they take would count as left over from guests.
  tools.parse(VALUES);
  engine = new WasmEngine(8 * MiB, compiler);
});

let programs = 0;

function evaluate(
  bytes: Uint8Array,
  given: Partial<Evaluate> = {},
  by: WasmEngine = engine,
): Promise<Evaluated> {
  const id = `program ${++programs}`;
  return by.evaluate(
    {
      program: { id, language: 'wasm', files: { 'main.wasm': bytes }, entry: 'main.wasm' },
      export: 'default',
      args: [],
      grants: [],
      keep: 'nothing',
      cpuMs: 5000,
      wallMs: 5000,
      outputBytes: MiB,
      resultBytes: MiB,
      ...given,
    },
    { call: () => Promise.reject(new Error('nothing is granted')), write() {} },
  );
}

const call = (text: string, name: string, args: unknown[] = [], wasm: Evaluate['wasm'] = {}) =>
  evaluate(tools.parse(text), { export: name, args, wasm });

function returned(evaluated: Evaluated): unknown {
  assert.equal(evaluated.kind, 'value', inspect(evaluated));
  return evaluated.kind === 'value' ? evaluated.value : undefined;
}

function errorOf(evaluated: Evaluated): { name: string; message: string } {
  assert.equal(evaluated.kind, 'error');
  return evaluated.kind === 'error' ? evaluated.error : { name: '', message: '' };
}

describe('exports', () => {
  test('take and give strings and records', async () => {
    const described = await call(VALUES, 'describe', ['größe 🙂', { x: -2, y: 0.5 }]);
    assert.deepEqual(returned(described), { text: 'größe 🙂', sum: -1.5 });
  });

  test('take lists, and are found by their names in WIT and in JavaScript', async () => {
    assert.equal(returned(await call(VALUES, 'sum-up', [[1, 2, -50]])), -47n);
    assert.equal(returned(await call(VALUES, 'sumUp', [Int32Array.of(7, 8)])), 15n);
  });

  test('of an interface are found by its short and by its full name', async () => {
    for (const name of ['scale#twice-of', 'scale#twiceOf', 'docs:math/scale@1.2.0#twice-of']) {
      assert.equal(returned(await call(INTERFACE, name, [21])), 42, name);
    }
  });

  test('give the value of a result, or its error', async () => {
    assert.equal(returned(await call(VALUES, 'halve', [42])), 21);
    const { name, message } = errorOf(await call(VALUES, 'halve', [43]));
    assert.deepEqual([name, message], ['ComponentError', 'it is odd']);
  });

  test('refuse values of other types', async () => {
    assert.equal(errorOf(await call(VALUES, 'describe', [7, { x: 1, y: 2 }])).name, 'TypeError');
    assert.equal(errorOf(await call(VALUES, 'describe', ['a'])).name, 'TypeError');
  });

  test('that are not there are an error that names those that are', async () => {
    const { message } = errorOf(await call(VALUES, 'describes'));
    assert.match(message, /it exports describe, halve, sumUp|it exports .*describe/);
    assert.equal(errorOf(await call(VALUES, 'constructor')).name, 'TypeError');
    assert.equal(errorOf(await call(VALUES, '__proto__#toString')).name, 'TypeError');
  });
});

describe('limits', () => {
  test('fuel ends what never returns, the same for one module and for linked ones', async () => {
    const spun = await call(GREEDY, 'spin', [], { fuel: 100_000n });
    assert.deepEqual([spun.kind, spun.fuel], ['timed-out', 100_000n]);
    const worked = await call(LINKED, 'work', [1000], { fuel: 100_000n });
    assert.equal(returned(worked), 0);
    assert.ok((worked.fuel ?? 0n) > 3000n, `${worked.fuel} for 1,000 rounds in the second module`);
    const cut = await call(LINKED, 'work', [1000], { fuel: 3000n });
    assert.deepEqual([cut.kind, cut.fuel], ['timed-out', 3000n]);
  });

  test('a memory grows to the limit and no further', async () => {
    const pages = returned(await call(GREEDY, 'grow')) as number;
    assert.ok(pages > 64 && pages <= 128, `${pages} pages of 64 KiB, of 8 MiB`);
  });

  test('calls without end are a trap', async () => {
    const dived = await call(GREEDY, 'dive', [0]);
    assert.equal(errorOf(dived).name, 'Trap');
    const bounded = await call(GREEDY, 'dive', [0], { deterministic: { seed: 'a' } });
    assert.equal(errorOf(bounded).message, 'the call stack is exhausted');
  });

  test('more instances of modules than are taken are refused', async () => {
    assert.equal(returned(await call(manyInstances(200), 'f')), undefined);
    const { name, message } = errorOf(await call(manyInstances(300), 'f'));
    assert.deepEqual([name, /256 instances/.test(message)], ['WASM_REFUSED', true]);
  });
});

test('handles of things of the host are counted', async () => {
  assert.equal((await call(TAKING, 'take', [100])).kind, 'value');
  const { name, message } = errorOf(await call(TAKING, 'take', [5000]));
  assert.deepEqual([name, /more than 4096/.test(message)], ['Trap', true]);
});

test('deterministic: the same numbers and times for one seed, others for another', async () => {
  const look = async (seed: string) =>
    returned(await call(LOOKING, 'look', [], { deterministic: { seed } }));
  assert.equal(await look('a'), await look('a'));
  assert.notEqual(await look('a'), await look('b'));
  assert.notEqual(returned(await call(LOOKING, 'look')), returned(await call(LOOKING, 'look')));
});

test('a kept component goes on from where it was', async () => {
  const bytes = tools.parse(VALUES);
  const program = { id: 'kept', language: 'wasm', files: { m: bytes }, entry: 'm' } as const;
  const given = { program, keep: 'context', export: 'halve', args: [8] } as const;
  const first = await evaluate(bytes, given);
  const second = await evaluate(bytes, { ...given, export: 'sum-up', args: [[1, 2]] });
  assert.deepEqual([returned(first), returned(second)], [4, 3n]);
});

test('imports that nobody provides are named all at once', async () => {
  const { name, message } = errorOf(await call(WANTING, 'run'));
  assert.equal(name, 'WASM_IMPORTS_UNKNOWN');
  for (const wanted of ['docs:db/store.get', 'notify', 'wasi:http/outgoing-handler.handle']) {
    assert.ok(message.includes(JSON.stringify(wanted)), `${wanted} in ${message}`);
  }
});

describe('bytes that are no component', () => {
  const TYPED = /^(?:WASM_[A-Z_]+|Trap|CompileError|LinkError|TypeError|Error)$/;
  const isTyped = (ended: Evaluated): boolean =>
    ended.kind !== 'error' || TYPED.test(ended.error.name);

  test('cut anywhere', async () => {
    const bytes = tools.parse(VALUES);
    for (let length = 8; length < bytes.length; length += 7) {
      const ended = await evaluate(bytes.subarray(0, length), { export: 'halve', args: [2] });
      // A component that ends between two sections is one, with fewer exports.
      assert.ok(ended.kind === 'error' && isTyped(ended), `${length}: ${inspect(ended)}`);
    }
  });

  test('changed anywhere', async () => {
    const bytes = tools.parse(VALUES);
    let random = 1;
    for (let turn = 0; turn < 150; turn++) {
      const changed = bytes.slice();
      for (let change = 0; change <= turn % 3; change++) {
        random = (Math.imul(random, 48271) >>> 0) % 2147483647;
        changed[8 + (random % (bytes.length - 8))] = (random >>> 8) & 0xff;
      }
      const ended = await evaluate(changed, {
        export: 'halve',
        args: [2],
        wasm: { fuel: 100_000n },
      });
      assert.ok(isTyped(ended), `turn ${turn}: ${inspect(ended)}`);
    }
    assert.equal(returned(await evaluate(bytes, { export: 'halve', args: [4] })), 2);
  });

  test('types that double at every level', async () => {
    for (const levels of [4, 10, 14, 17, 18]) {
      const ended = await evaluate(tools.parse(doubling(levels)), { export: 'f', args: [0] });
      assert.ok(ended.kind === 'error' && isTyped(ended), inspect(ended));
    }
  });

  test('names that are more than names are refused, before any code is made of them', async () => {
    const escapes = ["'], stolen = 1, ['", 'a`b`', 'line\nbreak', 'back\\slash', 'a"b', '\u2028'];
    for (const name of escapes) {
      const ended = errorOf(await call(named(name), 'f'));
      assert.equal(ended.name, 'WASM_REFUSED', `${JSON.stringify(name)}: ${ended.message}`);
    }
    assert.equal(returned(await call(named('größe[a]$b::<c>'), 'f')), undefined);
    assert.equal((globalThis as { stolen?: unknown }).stolen, undefined);
  });

  test('without the compiler no component is taken', async () => {
    const bytes = tools.parse(VALUES);
    const ended = errorOf(await evaluate(bytes, {}, new WasmEngine(MiB)));
    assert.match(ended.message, /not installed/);
  });
});
