/**
 * Evaluates WebAssembly: commands and reactors of WASI preview 1, and core modules by their exports. V8 runs them within
 * the limits that were written into them; time that is not counted as fuel is watched from outside of the process.
 */
import { isCaissonError } from '../../core/error.ts';
import { FUEL_EXPORT, STACK_EXPORT, START_EXPORT } from '../../wasm/rewrite/reserved-exports.ts';
import type {
  Engine,
  Evaluate,
  Evaluated,
  EvaluateHooks,
  GuestError,
  Program,
  WasmOptions,
} from '../program.ts';
import { type CompiledModule, ModuleCache, stackSlots } from './compile.ts';
import { engine, type WasmInstance } from './engine.ts';
import { hostTree } from './host-tree.ts';
import { systemClock, virtualClock } from './wasi/clock.ts';
import { seededRandom, systemRandom } from './wasi/random-source.ts';
import { directory } from './wasi/tree.ts';
import { WasiHost, type WasiReturn } from './wasi/wasi-host.ts';

/** As a shell shows a program that was ended by SIGABRT. */
const TRAPPED = 134;
const KEPT_MAX = 16;
/** As coarse as what an isolate's `Date` tells: against timing side channels. */
const resolutionNs = 1_000_000n;

interface Guest {
  readonly compiled: CompiledModule;
  readonly instance: WasmInstance;
  readonly wasi: WasiHost;
  readonly ready: boolean;
}

export class WasmEngine implements Engine {
  readonly isSpent = false;
  readonly #cache: ModuleCache;
  /** Reactors and core modules that stay, by program. */
  readonly #kept = new Map<string, Guest>();

  /** @param memoryBytes that a guest's memory may have */
  constructor(memoryBytes: number) {
    this.#cache = new ModuleCache(memoryBytes);
  }

  idle(): void {}

  close(): void {
    this.#kept.clear();
  }

  async evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<Evaluated> {
    const began = performance.now();
    const options = evaluate.wasm ?? {};
    let guest: Guest | undefined;
    const usage = (): Pick<Evaluated, 'cpuMs' | 'memoryBytes' | 'fuel'> => ({
      cpuMs: performance.now() - began,
      memoryBytes: memoryOf(guest?.instance),
      ...(guest?.compiled.metered === true && options.fuel !== undefined
        ? { fuel: options.fuel - clampFuel(fuelOf(guest.instance)) }
        : {}),
    });
    try {
      if (evaluate.compileOnly === true) {
        this.#compile(evaluate.program, options);
        return { kind: 'value', value: undefined, ...usage() };
      }
      guest = this.#guest(evaluate, options, hooks);
      const { instance, compiled } = guest;
      setCounters(instance, compiled, options);
      const ending = run(guest, evaluate);
      if (evaluate.keep === 'context' && ending.kind === 'value') this.#keep(evaluate, guest);
      else this.#kept.delete(evaluate.program.id);
      return { ...ending, ...usage() };
    } catch (error) {
      this.#kept.delete(evaluate.program.id);
      return { ...endingOf(error, guest), ...usage() };
    }
  }

  #guest({ program, keep }: Evaluate, options: WasmOptions, hooks: EvaluateHooks): Guest {
    const kept = keep === 'context' ? this.#kept.get(program.id) : undefined;
    if (kept !== undefined) return kept;
    const compiled = this.#compile(program, options);
    let instance: WasmInstance | undefined;
    // What the host does for it is paid for as if the guest did it.
    const wasi = wasiOf(options, hooks, (units) => {
      if (compiled.metered && instance !== undefined) spend(instance, BigInt(units));
    });
    instance = new engine.Instance(compiled.module, wasi.imports);
    return { compiled, instance, wasi, ready: false };
  }

  #compile(program: Program, options: WasmOptions): CompiledModule {
    const source = program.files[program.entry];
    const bytes = typeof source === 'string' ? new TextEncoder().encode(source) : source;
    return this.#cache.get(program.id, bytes ?? new Uint8Array(), options);
  }

  #keep({ program }: Evaluate, guest: Guest): void {
    this.#kept.delete(program.id);
    if (this.#kept.size >= KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(program.id, { ...guest, ready: true });
  }
}

type Ending =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly error: GuestError; readonly code: number }
  | { readonly kind: 'timed-out'; readonly clock: 'fuel' };

function run({ instance, wasi, ready }: Guest, evaluate: Evaluate): Ending {
  const { exports } = instance;
  const begin = callOf(exports[START_EXPORT]);
  if (!ready && begin !== undefined) {
    const ended = endedBy(wasi.run(() => begin()));
    if (ended !== undefined) return ended;
  }
  if (exports._start !== undefined && evaluate.export === 'default') {
    const exit = wasi.start(instance);
    if (exit.kind === 'exited' && exit.code === 0) return { kind: 'value', value: undefined };
    const code = exit.kind === 'exited' ? exit.code & 0xff || 1 : TRAPPED;
    const how = exit.kind === 'exited' ? `exit code ${exit.code}` : `signal ${exit.signal}`;
    return { kind: 'error', error: { name: 'Exit', message: how }, code };
  }
  if (!ready && exports.memory !== undefined) {
    const ended = endedBy(wasi.initialize(instance));
    if (ended !== undefined) return ended;
  }
  const target = callOf(exports[evaluate.export]);
  if (target === undefined) return noExport(evaluate.export, exports);
  const result = wasi.run(() => target(...evaluate.args));
  return result.kind === 'returned'
    ? { kind: 'value', value: result.value }
    : (endedBy(result) as Ending);
}

function endedBy(result: WasiReturn<unknown>): Ending | undefined {
  if (result.kind === 'returned') return undefined;
  const how = result.kind === 'exited' ? `exit code ${result.code}` : `signal ${result.signal}`;
  const code = result.kind === 'exited' ? result.code & 0xff : TRAPPED;
  return { kind: 'error', error: { name: 'Exit', message: how }, code };
}

function noExport(name: string, exports: WasmInstance['exports']): Ending {
  const names = Object.keys(exports).filter((each) => !each.startsWith('caisson.'));
  const message = `the module has no function "${name}"; it exports ${names.join(', ') || 'nothing'}`;
  return { kind: 'error', error: { name: 'TypeError', message }, code: 1 };
}

/** Its own counters tell why it was ended; else it trapped, or V8's stack was at its end. */
function endingOf(error: unknown, guest: Guest | undefined): Ending {
  if (guest?.compiled.metered === true && fuelOf(guest.instance) < 0n) {
    return { kind: 'timed-out', clock: 'fuel' };
  }
  if (isCaissonError(error)) {
    return { kind: 'error', error: { name: error.code, message: error.message }, code: 1 };
  }
  const { name, message, stack } = error as Error;
  const trapped = error instanceof engine.RuntimeError || error instanceof RangeError;
  const lines = (stack ?? '').split('\n').filter((line) => line.includes('wasm'));
  return {
    kind: 'error',
    error: {
      name: trapped ? 'Trap' : name,
      message: guest !== undefined && isStackSpent(guest) ? 'the call stack is exhausted' : message,
      ...(lines.length === 0 ? {} : { stack: lines.join('\n') }),
    },
    code: trapped ? TRAPPED : 1,
  };
}

function wasiOf(
  options: WasmOptions,
  hooks: EvaluateHooks,
  charge: (units: number) => void,
): WasiHost {
  const { args = [], env = {}, stdin, preopens = {}, deterministic } = options;
  const sink = (stream: 'stdout' | 'stderr') => ({
    sink: (bytes: Uint8Array) => hooks.write(stream, bytes),
    limitBytes: Number.MAX_SAFE_INTEGER,
  });
  return new WasiHost({
    args,
    env,
    charge,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    clock: deterministic === undefined ? systemClock({ resolutionNs }) : virtualClock(),
    random: deterministic === undefined ? systemRandom : seededRandom(deterministic.seed),
    preopens: [
      ...Object.entries(preopens).map(([path, from]) => ({
        path,
        directory: hostTree(from, { times: deterministic === undefined }),
      })),
      ...(Object.hasOwn(preopens, '/tmp')
        ? []
        : [{ path: '/tmp', directory: directory({}, { writable: true }) }]),
    ],
    ...(stdin === undefined ? {} : { stdin }),
  });
}

function setCounters(
  instance: WasmInstance,
  { metered, bounded }: CompiledModule,
  { fuel }: WasmOptions,
): void {
  if (metered) counter(instance, FUEL_EXPORT).value = fuel ?? 0n;
  if (bounded) counter(instance, STACK_EXPORT).value = stackSlots;
}

function counter(instance: WasmInstance, name: string): { value: bigint | number } {
  return instance.exports[name] as { value: bigint | number };
}

function fuelOf(instance: WasmInstance): bigint {
  return counter(instance, FUEL_EXPORT).value as bigint;
}

/** @throws an Error where there is not so much left; the counter is negative then, which tells why */
function spend(instance: WasmInstance, units: bigint): void {
  const fuel = counter(instance, FUEL_EXPORT);
  fuel.value = (fuel.value as bigint) - units;
  if (fuel.value < 0n) throw new Error('out of fuel');
}

function clampFuel(left: bigint): bigint {
  return left < 0n ? 0n : left;
}

function isStackSpent({ compiled, instance }: Guest): boolean {
  return compiled.bounded && (counter(instance, STACK_EXPORT).value as number) < 0;
}

function callOf(value: unknown): ((...args: unknown[]) => unknown) | undefined {
  return typeof value === 'function' ? (value as (...args: unknown[]) => unknown) : undefined;
}

function memoryOf(instance: WasmInstance | undefined): number {
  const memory = instance?.exports.memory as { buffer?: ArrayBuffer } | undefined;
  return memory?.buffer?.byteLength ?? 0;
}
