/** From the bytes of a module to what runs: checked, rewritten within its limits, compiled once for all evaluations. */
import { checkImports } from '../../wasm/check-imports.ts';
import { decode } from '../../wasm/decode.ts';
import { encode } from '../../wasm/encode.ts';
import { type RewriteOptions, rewrite } from '../../wasm/rewrite/rewrite.ts';
import { nameOfType } from '../../wasm/value-types.ts';
import type { WasmOptions } from '../program.ts';
import { engine, type WasmModule } from './engine.ts';
import { isWasiFunction, WASI_MODULE } from './wasi/signatures.ts';

const PAGE = 65_536;
/** Of each table: 16 MiB of references. */
const TABLE_ELEMENTS = 2 ** 21;
/** Half of what V8's own stack takes of the largest frames. */
const STACK_SLOTS = 2 ** 16;
const COMPILED_MAX = 128;

export interface CompiledModule {
  readonly module: WasmModule;
  readonly metered: boolean;
  readonly bounded: boolean;
}

export class ModuleCache {
  readonly #memoryBytes: number;
  readonly #compiled = new Map<string, CompiledModule>();

  /** @param memoryBytes that a module's memory may have */
  constructor(memoryBytes: number) {
    this.#memoryBytes = memoryBytes;
  }

  /** @param id digest of the program @throws CaissonError `WASM_*`; the engine's CompileError */
  get(id: string, bytes: Uint8Array, options: WasmOptions): CompiledModule {
    const metered = options.fuel !== undefined;
    const deterministic = options.deterministic !== undefined;
    const key = `${id} ${metered} ${deterministic}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const module = decode(bytes);
    checkImports(module, (from, name, _, signature) => {
      if (from !== WASI_MODULE || signature === undefined) return false;
      const { parameters, results } = signature;
      return isWasiFunction(name, parameters.map(nameOfType), results.map(nameOfType));
    });
    const rewritten = rewrite(module, rewriteOptions(this.#memoryBytes, options));
    const compiled = {
      module: new engine.Module(encode(rewritten)),
      metered,
      bounded: metered || deterministic,
    };
    if (this.#compiled.size >= COMPILED_MAX) {
      this.#compiled.delete(this.#compiled.keys().next().value as string);
    }
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

/** @param memoryBytes that a memory may have */
export function rewriteOptions(memoryBytes: number, options: WasmOptions): RewriteOptions {
  const metered = options.fuel !== undefined;
  const deterministic = options.deterministic !== undefined;
  return {
    memoryPages: Math.max(1, Math.floor(memoryBytes / PAGE)),
    tableElements: TABLE_ELEMENTS,
    // Where V8's stack ends depends on how far it has optimised: only a stack of our own is the same each time.
    ...(metered || deterministic ? { stackSlots: STACK_SLOTS } : {}),
    ...(metered ? { fuel: {} } : {}),
    deterministic,
  };
}

/** Slots that a guest has whose stack is bounded. */
export const stackSlots = STACK_SLOTS;
