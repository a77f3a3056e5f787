/**
 * Evaluates WebAssembly: commands and reactors of WASI preview 1, core modules by their exports, and components. V8 runs them within
 * the limits that were written into them; time that is not counted as fuel is watched from outside of the process.
 */
import { FUEL_EXPORT, STACK_EXPORT, START_EXPORT } from '../../wasm/rewrite/reserved-exports.ts';
import { OwnMemory } from '../own-memory.ts';
import {
  type Engine,
  type Evaluate,
  type Evaluated,
  type EvaluateHooks,
  isComponent,
  type Program,
  type WasmOptions,
} from '../program.ts';
import { type CompiledModule, ModuleCache } from './compile.ts';
import { ComponentEngine } from './component/component-engine.ts';
import { type Ending, noExport, TRAPPED, thrownEnding } from './ending.ts';
import { engine, type WasmInstance } from './engine.ts';
import { WasiHost, type WasiReturn } from './wasi/wasi-host.ts';
import { wasiOptions } from './wasi-options.ts';

const KEPT_MAX = 16;
const MiB = 2 ** 20;
/** So much of earlier guests stays uncollected, or is kept. */
const HELD_MAX = 24 * MiB;
/** The compiler of components, which stays; measured by test/backends/component-host-memory.test.ts. */
const COMPILER_MAX = 80 * MiB;
/** With all of its code compiled for speed. A host has room for this, too. */
const COMPILER_MOST = 108 * MiB;
/** A proved module counts, whether somebody asks for it or not: some centuries of it. */
const UNLIMITED = 2n ** 63n - 1n;

interface Guest {
  readonly compiled: CompiledModule;
  readonly instance: WasmInstance;
  readonly wasi: WasiHost;
  /** What it writes goes to whoever calls it now. */
  readonly output: { hooks: EvaluateHooks };
  readonly ready: boolean;
}

export class WasmEngine implements Engine {
  readonly isSpent = false;
  readonly #cache: ModuleCache;
  /** Reactors and core modules that stay, by program. */
  readonly #kept = new Map<string, Guest>();
  readonly #memory: OwnMemory;

  readonly #components: ComponentEngine;

  /**
   * @param memoryBytes that a guest's memory may have
   * @param transpiler path of jco's compiler of components; without it they are refused
   */
  constructor(memoryBytes: number, transpiler?: string) {
    this.#cache = new ModuleCache(memoryBytes);
    this.#memory =
      transpiler === undefined
        ? new OwnMemory(HELD_MAX)
        : new OwnMemory(HELD_MAX + COMPILER_MAX, HELD_MAX + COMPILER_MOST);
    this.#components = new ComponentEngine(memoryBytes, transpiler);
  }

  idle(): void {
    this.#components.idle();
  }

  close(): void {
    this.#kept.clear();
    this.#components.close();
  }

  async evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<Evaluated> {
    this.#memory.settle(() => this.close());
    const bytes = bytesOf(evaluate.program);
    // Certificates are for core modules; of a component none is true.
    if (isComponent(bytes) && evaluate.wasm?.certificate === undefined)
      return this.#components.evaluate(bytes, evaluate, hooks);
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
      return { ...thrownEnding(error, spentOf(guest)), ...usage() };
    }
  }

  #guest({ program, keep }: Evaluate, options: WasmOptions, hooks: EvaluateHooks): Guest {
    const kept = keep === 'context' ? this.#kept.get(program.id) : undefined;
    if (kept !== undefined) {
      kept.output.hooks = hooks;
      return kept;
    }
    const compiled = this.#compile(program, options);
    let instance: WasmInstance | undefined;
    // What the host does for it is paid for as if the guest did it.
    const charge = (units: number): void => {
      if (compiled.metered && instance !== undefined) spend(instance, BigInt(units));
    };
    const output = { hooks };
    const write: EvaluateHooks['write'] = (stream, bytes) => output.hooks.write(stream, bytes);
    const wasi = new WasiHost(wasiOptions(options, write, charge));
    instance = new engine.Instance(compiled.module, wasi.imports);
    return { compiled, instance, wasi, output, ready: false };
  }

  #compile(program: Program, options: WasmOptions): CompiledModule {
    return this.#cache.get(program.id, bytesOf(program), options);
  }

  #keep({ program }: Evaluate, guest: Guest): void {
    this.#kept.delete(program.id);
    if (this.#kept.size >= KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(program.id, { ...guest, ready: true });
  }
}

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
  if (target === undefined) {
    const names = Object.keys(exports).filter((each) => !each.startsWith('caisson.'));
    return noExport('module', evaluate.export, names);
  }
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

function bytesOf({ files, entry }: Program): Uint8Array {
  const source = files[entry] ?? new Uint8Array();
  return typeof source === 'string' ? new TextEncoder().encode(source) : source;
}

function setCounters(
  instance: WasmInstance,
  { metered, bounded, slots }: CompiledModule,
  { fuel }: WasmOptions,
): void {
  if (metered) counter(instance, FUEL_EXPORT).value = fuel ?? UNLIMITED;
  if (bounded) counter(instance, STACK_EXPORT).value = slots;
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

function spentOf(guest: Guest | undefined): 'fuel' | 'stack' | undefined {
  if (guest === undefined) return undefined;
  const { compiled, instance } = guest;
  if (compiled.metered && fuelOf(instance) < 0n) return 'fuel';
  const isOut = compiled.bounded && (counter(instance, STACK_EXPORT).value as number) < 0;
  return isOut ? 'stack' : undefined;
}

function callOf(value: unknown): ((...args: unknown[]) => unknown) | undefined {
  return typeof value === 'function' ? (value as (...args: unknown[]) => unknown) : undefined;
}

function memoryOf(instance: WasmInstance | undefined): number {
  const memory = instance?.exports.memory as { buffer?: ArrayBuffer } | undefined;
  return memory?.buffer?.byteLength ?? 0;
}
