/** Modules that share their counters do the same as with their own, and what one uses the other has no longer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCaissonError } from '../../src/core/error.ts';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { COUNTERS_MODULE, shareCounters } from '../../src/wasm/rewrite/share-counters.ts';
import { build, type ModuleSketch } from './build-module.ts';
import { engine, instantiate } from './engine.ts';
import { randomModule } from './random-module.ts';
import { runAll } from './run-random.ts';

const FUEL = 2n ** 60n;
const SLOTS = 100_000;
const OPTIONS = { fuel: {}, stackSlots: SLOTS, memoryPages: 3, tableElements: 20 };

interface Counter {
  value: unknown;
}
const { Global } = (globalThis as unknown as { WebAssembly: unknown }).WebAssembly as {
  Global: new (type: { value: string; mutable: boolean }, initial: unknown) => Counter;
};

function counters(fuel: bigint = FUEL) {
  return {
    'caisson.fuel': new Global({ value: 'i64', mutable: true }, fuel),
    'caisson.stack': new Global({ value: 'i32', mutable: true }, SLOTS),
  };
}

const shared = (parts: ModuleSketch): Uint8Array =>
  encode(shareCounters(rewrite(decode(build(parts)), OPTIONS)));

test('random programs do the same', () => {
  for (let seed = 0; seed < 150; seed++) {
    const parts = randomModule(seed);
    const own = counters();
    const seen = runAll(
      shared(parts),
      parts,
      (_, run) => {
        own['caisson.stack'].value = SLOTS;
        own['caisson.fuel'].value = FUEL;
        return run();
      },
      { [COUNTERS_MODULE]: own },
    );
    assert.deepEqual(seen, runAll(build(parts), parts), `seed ${seed}`);
  }
});

test('two modules use up one counter', () => {
  const parts: ModuleSketch = {
    functions: [{ export: 'f', results: ['i32'], code: [['i32.const', 7]] }],
  };
  const own = counters(100n);
  const imports = { [COUNTERS_MODULE]: own };
  const [first, second] = [shared(parts), shared(parts)].map((each) => instantiate(each, imports));
  assert.equal(first?.f?.(), 7);
  const cost = 100n - (own['caisson.fuel'].value as bigint);
  assert.ok(cost > 0n);
  second?.f?.();
  assert.equal(own['caisson.fuel'].value, 100n - 2n * cost);
  own['caisson.fuel'].value = 0n;
  assert.throws(() => second?.f?.(), engine.RuntimeError);
  assert.throws(() => first?.f?.(), engine.RuntimeError);
});

test('a module that imports from the name of the counters is refused', () => {
  const module = decode(build({ functions: [] }));
  const entity = { kind: 'global', type: { type: 0x7e, mutable: true } } as const;
  const imports = [{ module: COUNTERS_MODULE, name: 'caisson.fuel', entity }];
  assert.throws(
    () => shareCounters({ ...module, imports }),
    (error) => isCaissonError(error) && error.code === 'WASM_REFUSED',
  );
});
