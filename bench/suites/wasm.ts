/** WebAssembly: an instance from the cache, a WASI command, beside node:wasi. What fuel costs is suites/wasm-fuel.ts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WASI } from 'node:wasi';
import type { Evaluate, EvaluateHooks } from '../../src/backends/program.ts';
import { WasmEngine } from '../../src/backends/wasm/wasm-engine.ts';
import { Caisson, type EvaluateOptions } from '../../src/index.ts';
import type { Absent } from '../contestant.ts';
import { type Contestant, takeTurns } from '../contestant.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';

/** (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add) */
const ADD = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100,
  100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11,
]);
const MEMORY_BYTES = 128 * 2 ** 20;
const ENGINE = 'Caisson’s engine, in this process';
const PROCESS = 'Caisson, process';
const PEER = 'node:wasi, in this process, no boundary';
const TEXT = 'one two three four five six seven\n'.repeat(200);
const WORDS = '1400';

interface Instance {
  readonly exports: Record<string, (...args: number[]) => number>;
}
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => Instance;
}
/** TypeScript declares it in the DOM's library alone. */
const v8 = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

type Call = () => unknown;

export const wasm: Suite = { name: 'wasm', run };

async function run(bench: Bench): Promise<SuiteResult> {
  await using caisson = await Caisson.open();
  const rounds = bench.quick ? 30 : 200;
  const instances = await measured(rounds, instancesOf(caisson));
  const commands = commandsOf(bench, caisson);
  const ran = 'reason' in commands ? undefined : await measured(rounds, commands);
  const rows = (what: string, samples: Map<string, number[]>): string[][] =>
    [...samples].map(([name, values]) => {
      const { median, lowerQuartile, upperQuartile } = summarize(values);
      return [what, name, us(median), `${us(lowerQuartile)}–${us(upperQuartile)}`];
    });
  return {
    title: 'WebAssembly: instances and commands',
    method: `A module of one function, rewritten and compiled before: its instance and one call. A command in C that counts the words of a file of ${TEXT.length} bytes. ${rounds} turns. With fuel counted; Caisson's processes behind the strict level.`,
    table: {
      columns: ['what', 'by', 'median, µs', 'middle half'],
      rows: [
        ...rows('instance and a call', instances),
        ...(ran === undefined ? [] : rows('command', ran)),
        ...('reason' in commands ? [['command', commands.name, 'absent', commands.reason]] : []),
      ],
    },
    targets: [
      {
        name: 'cached instantiation',
        measured: summarize(instances.get(ENGINE) ?? []).median,
        sense: '≤',
        limit: 1,
        unit: 'ms',
      },
    ],
  };
}

function instancesOf(caisson: Caisson): readonly (readonly [string, Call])[] {
  const engine = new WasmEngine(MEMORY_BYTES);
  const evaluate: Evaluate = {
    program: { id: 'add', language: 'wasm', files: { 'main.wasm': ADD }, entry: 'main.wasm' },
    export: 'add',
    args: [1, 2],
    grants: [],
    keep: 'nothing',
    cpuMs: 5000,
    wallMs: 5000,
    outputBytes: 1024,
    resultBytes: 1024,
    wasm: { fuel: 1000n },
  };
  const quiet: EvaluateHooks = { call: () => Promise.reject(new Error()), write: () => {} };
  const module = new v8.Module(ADD);
  const inProcess = async (options: EvaluateOptions): Promise<void> => {
    const { value } = await caisson.evaluate('wasm', ADD, {
      export: 'add',
      args: [1, 2],
      wasm: { fuel: 1000n },
      ...options,
    });
    assert.equal(value, 3);
  };
  return [
    [
      ENGINE,
      async () => {
        const evaluated = await engine.evaluate(evaluate, quiet);
        assert.equal(evaluated.kind === 'value' && evaluated.value, 3);
      },
    ],
    [`${PROCESS}, a fresh instance`, () => inProcess({})],
    [`${PROCESS}, a kept instance`, () => inProcess({ keep: 'context' })],
    [
      PEER,
      () => {
        const wasi = new WASI({ version: 'preview1' });
        const { exports } = new v8.Instance(module, wasi.getImportObject() as object);
        assert.equal(exports.add?.(1, 2), 3);
      },
    ],
  ];
}

function commandsOf(bench: Bench, caisson: Caisson): readonly (readonly [string, Call])[] | Absent {
  const program = join(bench.directory, 'words.wasm');
  const source = join(import.meta.dirname, '../programs/wasi-words.c');
  try {
    execFileSync('clang', ['--target=wasm32-wasi', '-O2', '-o', program, source], {
      stdio: 'pipe',
    });
  } catch {
    return { name: 'words', reason: 'apt-get install clang lld wasi-libc libclang-rt-dev-wasm32' };
  }
  const texts = join(bench.directory, 'texts');
  mkdirSync(texts);
  writeFileSync(join(texts, 'text'), TEXT);
  const bytes = new Uint8Array(readFileSync(program));
  const module = new v8.Module(bytes);
  const output = join(bench.directory, 'words');
  const policy = { level: 'strict', filesystem: { read: [texts] } } as const;
  const wasi = { args: ['words', '/texts/text'], preopens: { '/texts': texts } };
  return [
    [
      PROCESS,
      async () => {
        const limits = { ...wasi, fuel: 10n ** 9n };
        const { stdout } = await caisson.evaluate('wasm', bytes, { policy, wasm: limits });
        assert.equal(stdout.text.trim(), WORDS);
      },
    ],
    [
      PEER,
      () => {
        const stdout = openSync(output, 'w');
        const host = new WASI({ version: 'preview1', ...wasi, stdout });
        host.start(new v8.Instance(module, host.getImportObject() as object));
        closeSync(stdout);
        assert.equal(readFileSync(output, 'utf8').trim(), WORDS);
      },
    ],
  ];
}

async function measured(
  rounds: number,
  calls: readonly (readonly [string, Call])[],
): Promise<Map<string, number[]>> {
  const contestants = calls.map(
    ([name, call]): Contestant => ({
      name,
      every: 1,
      run: async () => {
        const started = performance.now();
        await call();
        return { ms: performance.now() - started, stdout: '' };
      },
    }),
  );
  return await takeTurns(contestants, {
    rounds,
    warmUp: 30,
    restMs: 1,
    turn: (number) => ({ round: number, workspace: '', tag: '', proof: false }),
  });
}

function us(ms: number): string {
  return round(ms * 1000);
}
