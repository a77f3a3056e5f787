/** What rewriting a WebAssembly module costs the guest: fuel, the bound on the stack, canonical NaNs, and all of it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';
import { type RewriteOptions, rewrite } from '../../src/wasm/rewrite/rewrite.ts';
import { round } from '../report.ts';
import type { Bench, Suite, SuiteResult, Target } from '../suite.ts';

/** A kernel of programs/wasm-kernels.c, with an argument that keeps it busy for some milliseconds. */
interface Kernel {
  readonly name: string;
  readonly kind: 'calls' | 'numeric' | 'branches';
  readonly argument: number;
}

const KERNELS: readonly Kernel[] = [
  { name: 'fib', kind: 'calls', argument: 32 },
  { name: 'ackermann', kind: 'calls', argument: 1200 },
  { name: 'indirect', kind: 'calls', argument: 2_000_000 },
  { name: 'matmul', kind: 'numeric', argument: 12 },
  { name: 'mandelbrot', kind: 'numeric', argument: 250 },
  { name: 'nbody', kind: 'numeric', argument: 80_000 },
  { name: 'hash', kind: 'numeric', argument: 4_000_000 },
  { name: 'sieve', kind: 'branches', argument: 1_000_000 },
  { name: 'sort', kind: 'branches', argument: 60_000 },
];
const SLOTS = 100_000;
const VARIANTS: Readonly<Record<string, RewriteOptions>> = {
  plain: {},
  fuel: { fuel: {} },
  stack: { stackSlots: SLOTS },
  NaNs: { deterministic: true },
  all: { fuel: {}, stackSlots: SLOTS, deterministic: true },
};
const LIMITS = { calls: 2.2, numeric: 1.2 } as const;

type Exports = Readonly<Record<string, ((argument: number) => number) & { value: unknown }>>;
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Exports };
}
/** TypeScript declares it in the DOM's library alone. */
const engine: Engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

export const wasmFuel: Suite = { name: 'wasm-fuel', run };

async function run(bench: Bench): Promise<SuiteResult> {
  const module = decode(compile(bench.directory));
  const names = Object.keys(VARIANTS);
  const instances = Object.entries(VARIANTS).map(([name, options]) => {
    const compiled = new engine.Module(encode(rewrite(module, options)));
    return [name, new engine.Instance(compiled).exports] as const;
  });
  const rounds = bench.quick ? 8 : 40;
  const samples = new Map<string, number[]>();
  // The first rounds are the engine's, to compile what is hot.
  for (let turn = -5; turn < rounds; turn++)
    for (const kernel of KERNELS)
      for (let i = 0; i < instances.length; i++) {
        const [name, exports] = instances[(i + Math.abs(turn)) % instances.length] ?? ['', {}];
        const ms = time(exports, kernel);
        const key = `${kernel.name} ${name}`;
        if (turn >= 0) samples.set(key, [...(samples.get(key) ?? []), ms]);
      }
  // What disturbs a round only makes it longer, so the lowest is what the code costs.
  const lowest = (kernel: Kernel, name: string): number =>
    Math.min(...(samples.get(`${kernel.name} ${name}`) ?? []));
  const ratio = (kernel: Kernel, name: string): number =>
    lowest(kernel, name) / lowest(kernel, 'plain');
  return {
    title: 'WebAssembly, rewritten',
    method: `Kernels in C, compiled by clang -O2; ${rounds} rounds, plain and rewritten in turn in one process after warm-up; the lowest, and how many times as long as without rewriting.`,
    table: {
      columns: ['kernel', 'kind', 'plain, ms', ...names.slice(1)],
      rows: KERNELS.map((kernel) => [
        kernel.name,
        kernel.kind,
        round(lowest(kernel, 'plain')),
        ...names.slice(1).map((name) => `${ratio(kernel, name).toFixed(2)} ×`),
      ]),
    },
    targets: (['calls', 'numeric'] as const).map((kind): Target => {
      const ratios = KERNELS.filter((kernel) => kernel.kind === kind).map((kernel) =>
        ratio(kernel, 'fuel'),
      );
      return {
        name: `fuel: slowest kernel, ${kind}`,
        measured: Math.max(...ratios),
        sense: '≤',
        limit: LIMITS[kind],
        unit: '×',
      };
    }),
  };
}

function time(exports: Exports, { name, argument }: Kernel): number {
  const fuel = exports['caisson.fuel'];
  if (fuel !== undefined) fuel.value = 2n ** 60n;
  const started = performance.now();
  exports[name]?.(argument);
  return performance.now() - started;
}

/** @throws Error naming the Debian packages when the compiler is missing */
function compile(directory: string): Uint8Array {
  const output = join(directory, 'kernels.wasm');
  const source = join(import.meta.dirname, '../programs/wasm-kernels.c');
  const flags = ['--target=wasm32', '-O2', '-ffreestanding', '-fno-builtin', '-nostdlib'];
  try {
    execFileSync('clang', [...flags, '-Wl,--no-entry', '-o', output, source], { stdio: 'pipe' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('clang is missing: apt-get install clang lld');
  }
  return new Uint8Array(readFileSync(output));
}
