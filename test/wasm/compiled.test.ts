/** Modules as a compiler makes them: the kernels of the benchmark, compiled in several ways, rewritten and run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { inspect } from '../../src/wasm/inspect.ts';
import { type RewriteOptions, rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { type Exports, engine, instantiate } from './engine.ts';

const source = resolve(import.meta.dirname, '../../bench/programs/wasm-kernels.c');
const there = ['clang', 'wasm-ld'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);
const skip = there ? false : 'clang and lld are not installed';

const KERNELS: Readonly<Record<string, number>> = {
  fib: 20,
  ackermann: 60,
  indirect: 5000,
  matmul: 1,
  mandelbrot: 30,
  nbody: 300,
  sieve: 20_000,
  sort: 2000,
  hash: 20_000,
};
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'without optimisation': ['-O0'],
  'for speed': ['-O3'],
  'for size, with names for debugging': ['-Os', '-g'],
  'with all that came after the first version': [
    '-O3',
    '-msimd128',
    '-mbulk-memory',
    '-msign-ext',
    '-mnontrapping-fptoint',
    '-mmultivalue',
    '-mtail-call',
    '-mreference-types',
  ],
};
const REWRITINGS: Readonly<Record<string, RewriteOptions>> = {
  nothing: {},
  fuel: { fuel: {} },
  stack: { stackSlots: 65_536 },
  floats: { deterministic: true },
  everything: { fuel: {}, stackSlots: 65_536, deterministic: true, memoryPages: 200 },
};

function compile(directory: string, flags: readonly string[]): Uint8Array {
  const output = join(directory, 'kernels.wasm');
  const { status, stderr } = spawnSync(
    'clang',
    [
      '--target=wasm32',
      ...['-ffreestanding', '-fno-builtin', '-nostdlib', '-Wl,--no-entry'],
      ...flags,
      ...['-o', output, source],
    ],
    // clang hands its output to a wasm-opt that it finds by PATH, and one of our packages brings one.
    { encoding: 'utf8', env: { PATH: '/usr/local/bin:/usr/bin:/bin' } },
  );
  assert.equal(status, 0, stderr);
  return new Uint8Array(readFileSync(output));
}

function give(exports: Exports, name: string, value: bigint | number): void {
  const counter = exports[name];
  if (counter !== undefined) counter.value = value;
}

function runKernels(exports: Exports): Record<string, unknown> {
  const results: Record<string, unknown> = {};
  for (const [name, argument] of Object.entries(KERNELS)) {
    give(exports, 'caisson.fuel', 2n ** 60n);
    give(exports, 'caisson.stack', 65_536);
    results[name] = exports[name]?.(argument);
  }
  return results;
}

describe('compiled from C', () => {
  const directory = mkdtempSync(join(tmpdir(), 'caisson-wasm-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [way, flags] of Object.entries(WAYS)) {
    test(way, { skip }, () => {
      const bytes = compile(directory, flags);
      const module = decode(bytes);
      assert.ok(engine.validate(encode(module)));
      const expected = runKernels(instantiate(bytes));
      for (const [name, options] of Object.entries(REWRITINGS)) {
        const rewritten = encode(rewrite(module, options));
        assert.deepEqual(runKernels(instantiate(rewritten)), expected, name);
        assert.deepEqual(encode(decode(rewritten)), rewritten, name);
      }
    });
  }

  test('names stay, sections that point into the code go', { skip }, () => {
    const module = decode(compile(directory, ['-Os', '-g']));
    const before = inspect(module).customSections;
    assert.ok(before.includes('name') && before.includes('.debug_line'));
    const after = inspect(rewrite(module, { fuel: {} })).customSections;
    assert.ok(after.includes('name') && !after.some((name) => name.startsWith('.debug')));
  });
});
