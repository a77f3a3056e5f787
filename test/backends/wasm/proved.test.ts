/** Proved modules: the engine believes no certificate, and counts nothing a second time where one is true. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { prove } from '../../../src/admission/proof/prover/prove.ts';
import type { Evaluated, EvaluateHooks, WasmOptions } from '../../../src/backends/program.ts';
import { WasmEngine } from '../../../src/backends/wasm/wasm-engine.ts';
import { bind, certificateOf } from '../../admission/proof/mutants.ts';
import { build } from '../../wasm/build-module.ts';

const MiB = 2 ** 20;
const hooks: EvaluateHooks = { call: () => Promise.reject(new Error('none')), write: () => {} };

/** sum(n) = n + … + 1, one way round a loop; deep(n) calls itself n times; grow(n) asks for n pages. */
const MODULE = build({
  functions: [
    {
      parameters: ['i32'],
      results: ['i32'],
      locals: ['i32'],
      export: 'sum',
      code: [
        ['loop', -0x40],
        ...[['local.get', 1] as const, ['local.get', 0] as const, 'i32.add'],
        ['local.set', 1],
        ...[['local.get', 0] as const, ['i32.const', 1] as const, 'i32.sub'],
        ...[['local.tee', 0] as const, ['br_if', 0] as const],
        'end',
        ['local.get', 1],
      ],
    },
    {
      parameters: ['i32'],
      results: ['i32'],
      export: 'deep',
      code: [
        ['local.get', 0],
        ['if', 0x7f - 0x80],
        ...[['local.get', 0] as const, ['i32.const', 1] as const, 'i32.sub', ['call', 1] as const],
        ...[['i32.const', 1] as const, 'i32.add', 'else', ['i32.const', 0] as const, 'end'],
      ],
    },
    {
      parameters: ['i32'],
      results: ['i32'],
      export: 'grow',
      code: [
        ['local.get', 0],
        ['memory.grow', 0],
      ],
    },
  ],
  memory: { minimum: 1 },
});

const engine = new WasmEngine(4 * MiB);

function evaluate(
  bytes: Uint8Array,
  name: string,
  argument: number,
  wasm: WasmOptions,
): Promise<Evaluated> {
  const id = createHash('sha256').update(bytes).digest('hex');
  const program = { id, language: 'wasm', files: { m: bytes }, entry: 'm' } as const;
  const limits = { cpuMs: 1000, wallMs: 1000, outputBytes: 1000, resultBytes: 1000 };
  const rest = { export: name, args: [argument], grants: [], keep: 'nothing' } as const;
  return engine.evaluate({ program, ...rest, ...limits, wasm }, hooks);
}

describe('a proved module', () => {
  const { module, certificate } = prove(MODULE);

  test('uses as much fuel as one that the engine meters itself, by its own counter', async () => {
    for (const [name, argument] of [
      ['sum', 1000],
      ['deep', 100],
      ['grow', 1],
    ] as const) {
      const metered = await evaluate(MODULE, name, argument, { fuel: 10n ** 6n });
      const proved = await evaluate(module, name, argument, { fuel: 10n ** 6n, certificate });
      assert.ok(metered.kind === 'value' && proved.kind === 'value', JSON.stringify(proved.kind));
      assert.deepEqual([proved.value, proved.fuel], [metered.value, metered.fuel]);
    }
  });

  test('ends where its fuel ends, to the unit', async () => {
    const whole = await evaluate(module, 'sum', 1000, { fuel: 10n ** 6n, certificate });
    const { fuel = 0n } = whole;
    const just = await evaluate(module, 'sum', 1000, { fuel, certificate });
    assert.deepEqual([just.kind, just.fuel], ['value', fuel]);
    const short = await evaluate(module, 'sum', 1000, { fuel: fuel - 1n, certificate });
    assert.ok(short.kind === 'timed-out' && short.clock === 'fuel');
  });

  test('runs without fuel, too, and ends where its stack ends', async () => {
    const fine = await evaluate(module, 'sum', 1000, { certificate });
    assert.deepEqual([fine.kind, fine.fuel], ['value', undefined]);
    const deep = await evaluate(module, 'deep', 10 ** 6, { certificate });
    assert.ok(deep.kind === 'error');
    assert.equal(deep.error.message, 'the call stack is exhausted');
  });

  test('has the memory of the policy where that is less than it is certified', async () => {
    const small = await evaluate(module, 'grow', 63, { certificate });
    const more = await evaluate(module, 'grow', 64, { certificate });
    assert.ok(small.kind === 'value' && more.kind === 'value');
    assert.deepEqual([small.value, more.value], [1, -1]);
  });

  test('gives what the seed gives, with certificate and deterministic', async () => {
    const wasm = { certificate, deterministic: { seed: 's' }, fuel: 10n ** 6n };
    const proved = await evaluate(module, 'sum', 10, wasm);
    assert.ok(proved.kind === 'value' && proved.value === 55);
  });
});

describe('a certificate that lies', () => {
  const { module, certificate } = prove(MODULE);
  const refused = async (bytes: Uint8Array, claims: Uint8Array): Promise<string> => {
    const ended = await evaluate(bytes, 'sum', 10, { certificate: claims, fuel: 1000n });
    assert.ok(ended.kind === 'error', ended.kind);
    assert.equal(ended.error.name, 'WASM_REFUSED');
    return ended.error.message;
  };

  test('is refused by the engine, whoever sent it', async () => {
    assert.match(await refused(MODULE, certificate), /subject/);
    const bound = bind({ module: MODULE, certificate: certificateOf(certificate) });
    assert.match(await refused(MODULE, bound), /offset 0x/);
    assert.match(await refused(module, certificate.subarray(1)), /certificate/);
    assert.match(await refused(module, new Uint8Array()), /certificate/);
  });

  test('is refused also where a true one was taken before', async () => {
    const fine = await evaluate(module, 'sum', 10, { certificate, fuel: 1000n });
    assert.equal(fine.kind, 'value');
    const claims = certificateOf(certificate);
    const { functions } = claims;
    const lies = {
      ...claims,
      functions: functions.map(() => [10, 0] as [number, number]),
    };
    const stack = { counted: 65_536, uncounted: 10 };
    assert.match(await refused(module, bind({ module, certificate: { ...lies, stack } })), /rank/);
  });

  test('is of no use for a component', async () => {
    const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
    const bound = bind({ module: component, certificate: certificateOf(certificate) });
    assert.match(await refused(component, bound), /structure/);
  });
});
