/** Evaluates components: commands of WASI 0.2, and others by their exports. */
import type { Evaluate, Evaluated, EvaluateHooks, WasmOptions } from '../../program.ts';
import { type Ending, noExport, thrownEnding } from '../ending.ts';
import { wasiOptions } from '../wasi-options.ts';
import { ComponentCache } from './component-cache.ts';
import { ComponentGuest } from './component-guest.ts';
import { settled } from './glue.ts';
import { ComponentExit, componentHost } from './preview2/component-host.ts';

const KEPT_MAX = 16;

interface KeptGuest {
  readonly guest: ComponentGuest;
  /** What it writes goes to whoever calls it now. */
  readonly output: { hooks: EvaluateHooks };
}

export class ComponentEngine {
  readonly #cache: ComponentCache;
  readonly #kept = new Map<string, KeptGuest>();

  /**
   * @param memoryBytes that each memory of a component may have
   * @param transpiler path of jco's compiler; without it no component is taken
   */
  constructor(memoryBytes: number, transpiler: string | undefined) {
    this.#cache = new ComponentCache(memoryBytes, transpiler);
  }

  idle(): void {
    this.#cache.warm();
  }

  close(): void {
    this.#kept.clear();
  }

  /** Never throws for what the guest did. */
  evaluate(bytes: Uint8Array, evaluate: Evaluate, hooks: EvaluateHooks): Evaluated {
    const began = performance.now();
    const { program, keep, wasm: options = {} } = evaluate;
    const kept = keep === 'context' ? this.#kept.get(program.id) : undefined;
    this.#kept.delete(program.id);
    if (kept !== undefined) kept.output.hooks = hooks;
    const output = kept?.output ?? { hooks };
    let guest = kept?.guest;
    const usage = (): Pick<Evaluated, 'cpuMs' | 'memoryBytes' | 'fuel'> => ({
      cpuMs: performance.now() - began,
      memoryBytes: guest?.memoryBytes ?? 0,
      ...(guest?.isMetered === true && options.fuel !== undefined
        ? { fuel: options.fuel - (guest.fuel < 0n ? 0n : guest.fuel) }
        : {}),
    });
    try {
      guest ??= this.#make(bytes, evaluate, output);
      if (evaluate.compileOnly === true) return { kind: 'value', value: undefined, ...usage() };
      guest.setCounters(options.fuel ?? 0n);
      if (kept === undefined) guest.instantiate();
      const ending = call(guest, evaluate);
      if (keep === 'context' && ending.kind === 'value') {
        this.#keep(program.id, { guest, output });
      }
      return { ...ending, ...usage() };
    } catch (error) {
      return { ...endingOf(error, guest), ...usage() };
    }
  }

  #make(
    bytes: Uint8Array,
    { program, wasm }: Evaluate,
    output: KeptGuest['output'],
  ): ComponentGuest {
    const options: WasmOptions = wasm ?? {};
    let guest: ComponentGuest | undefined;
    const charge = (units: number): void => guest?.spend(BigInt(units));
    const imports = componentHost(
      wasiOptions(options, (stream, bytes) => output.hooks.write(stream, bytes), charge),
    );
    guest = new ComponentGuest(this.#cache.get(program.id, bytes, options, imports), imports);
    return guest;
  }

  #keep(id: string, kept: KeptGuest): void {
    if (this.#kept.size >= KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value as string);
    this.#kept.set(id, kept);
  }
}

function call(guest: ComponentGuest, { export: name, args }: Evaluate): Ending {
  const { main } = guest;
  if (name === 'default' && main !== undefined) {
    try {
      main();
      return { kind: 'value', value: undefined };
    } catch (error) {
      // `result`'s error: it says no more than that.
      if (isDeclared(error)) return exited(1);
      throw error;
    }
  }
  const target = guest.find(name);
  return target === undefined
    ? noExport('component', name, guest.names)
    : { kind: 'value', value: settled(target(...args)) };
}

function exited(code: number): Ending {
  if (code === 0) return { kind: 'value', value: undefined };
  return { kind: 'error', error: { name: 'Exit', message: `exit code ${code}` }, code };
}

function endingOf(error: unknown, guest: ComponentGuest | undefined): Ending {
  const spent = guest?.spent;
  if (spent !== undefined) return thrownEnding(error, spent);
  if (error instanceof ComponentExit) return exited(error.code);
  if (isDeclared(error)) {
    const { message, payload } = error;
    const text = typeof payload === 'object' ? jsonOf(payload) : message;
    return { kind: 'error', error: { name: 'ComponentError', message: text }, code: 1 };
  }
  return thrownEnding(error, undefined);
}

/** The error of a `result` that an export returned: jco's glue throws it so. */
function isDeclared(error: unknown): error is Error & { readonly payload: unknown } {
  return error instanceof Error && Object.hasOwn(error, 'payload');
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each));
}
