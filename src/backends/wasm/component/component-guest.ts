/** A component that was instantiated: what it exports, called with plain values. */
import { refused } from '../../../wasm/problem.ts';
import { FUEL_EXPORT, STACK_EXPORT, START_EXPORT } from '../../../wasm/rewrite/reserved-exports.ts';
import { COUNTERS_MODULE } from '../../../wasm/rewrite/share-counters.ts';
import { stackSlots } from '../compile.ts';
import {
  engine,
  type WasmGlobal,
  type WasmImports,
  type WasmMemory,
  type WasmModule,
} from '../engine.ts';
import { type CompiledComponent, moduleNamed } from './component-cache.ts';
import { settled } from './glue.ts';
import type { Interfaces } from './preview2/component-host.ts';

const INSTANCES_MAX = 256;
/** What makes a component a command. Source: WASI 0.2, cli/wit/run.wit. */
const RUN = /^wasi:cli\/run@/;

type Call = (...args: unknown[]) => unknown;

export class ComponentGuest {
  readonly #compiled: CompiledComponent;
  readonly #fuel: WasmGlobal = new engine.Global({ value: 'i64', mutable: true }, 0n);
  readonly #stack: WasmGlobal = new engine.Global({ value: 'i32', mutable: true }, stackSlots);
  readonly #memories = new Set<WasmMemory>();
  readonly #imports: Interfaces;
  #exports: Readonly<Record<string, unknown>> = {};
  #instances = 0;

  constructor(compiled: CompiledComponent, imports: Interfaces) {
    this.#compiled = compiled;
    this.#imports = imports;
  }

  /** Runs start functions, with what fuel there is. To be called once. */
  instantiate(): void {
    const { modules, instantiate } = this.#compiled;
    this.#exports = settled(
      instantiate(moduleNamed(modules), this.#imports, (module, imports) =>
        this.#instantiateCore(module, imports),
      ),
    );
  }

  get isMetered(): boolean {
    return this.#compiled.metered;
  }

  /** Units left; negative: ran out. */
  get fuel(): bigint {
    return this.#fuel.value as bigint;
  }

  get spent(): 'fuel' | 'stack' | undefined {
    const { metered, bounded } = this.#compiled;
    if (metered && this.fuel < 0n) return 'fuel';
    return bounded && (this.#stack.value as number) < 0 ? 'stack' : undefined;
  }

  /** For what the host does. @throws an Error where there is not so much left */
  spend(units: bigint): void {
    if (!this.#compiled.metered) return;
    this.#fuel.value = this.fuel - units;
    if (this.fuel < 0n) throw new Error('out of fuel');
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const { buffer } of this.#memories) bytes += buffer.byteLength;
    return bytes;
  }

  /** To be called before every call from outside. */
  setCounters(fuel: bigint): void {
    this.#fuel.value = fuel;
    this.#stack.value = stackSlots;
  }

  /** `wasi:cli/run`, of a command. */
  get main(): Call | undefined {
    const name = Object.keys(this.#exports).find((each) => RUN.test(each));
    return name === undefined ? undefined : functionOf(memberOf(this.#exports[name], 'run'));
  }

  /** `name`, or `interface#name` of an interface by its short or full name; as in WIT or in camel case. */
  find(name: string): Call | undefined {
    const at = name.indexOf('#');
    const within = at < 0 ? this.#exports : memberOf(this.#exports, name.slice(0, at));
    return functionOf(memberOf(within, name.slice(at + 1)));
  }

  /** What {@link find} finds. */
  get names(): string[] {
    return Object.entries(this.#exports).flatMap(([name, value]) =>
      typeof value === 'function'
        ? [name]
        : Object.keys(value as object).map((each) => `${name}#${each}`),
    );
  }

  #instantiateCore(module: WasmModule, imports: WasmImports = {}) {
    if (++this.#instances > INSTANCES_MAX) {
      const message = `the component makes more than ${INSTANCES_MAX} instances of its modules`;
      throw refused(message, 'link them into fewer', { most: INSTANCES_MAX });
    }
    const counters = { [FUEL_EXPORT]: this.#fuel, [STACK_EXPORT]: this.#stack };
    const instance = new engine.Instance(module, { ...imports, [COUNTERS_MODULE]: counters });
    for (const value of Object.values(instance.exports)) {
      if (value instanceof engine.Memory) this.#memories.add(value);
    }
    functionOf(instance.exports[START_EXPORT])?.();
    return instance;
  }
}

function memberOf(value: unknown, name: string): unknown {
  const own = (each: string): unknown =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, each)
      ? (value as Record<string, unknown>)[each]
      : undefined;
  return own(name) ?? own(camelCase(name));
}

/** As jco writes a name of WIT: `count-words` is `countWords`. */
function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function functionOf(value: unknown): Call | undefined {
  return typeof value === 'function' ? (value as Call) : undefined;
}
