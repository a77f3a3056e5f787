/** From the bytes of a module to what runs: checked, rewritten within its limits, compiled once for all evaluations. */
import { createHash } from 'node:crypto';
import { checkProof, type ProofCheck } from '../../admission/proof/check-proof.ts';
import { CaissonError } from '../../core/error.ts';
import { refuseFeatures } from '../../wasm/check-features.ts';
import { checkImports } from '../../wasm/check-imports.ts';
import { decode } from '../../wasm/decode.ts';
import { encode } from '../../wasm/encode.ts';
import { nondeterministicFeatures } from '../../wasm/features.ts';
import { allMemories, allTables, type Module } from '../../wasm/module.ts';
import { canonicalizeNans } from '../../wasm/rewrite/canonicalize-nans.ts';
import { clampLimits } from '../../wasm/rewrite/clamp-limits.ts';
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
  /** Of stack that a call from outside gets, where it is bounded. */
  readonly slots: number;
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
    const proof = options.certificate === undefined ? '' : digestOf(options.certificate);
    const key = `${id} ${metered} ${deterministic} ${proof}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const compiled =
      options.certificate === undefined
        ? this.#rewritten(bytes, options)
        : this.#proved(bytes, options.certificate, options);
    if (this.#compiled.size >= COMPILED_MAX) {
      this.#compiled.delete(this.#compiled.keys().next().value as string);
    }
    this.#compiled.set(key, compiled);
    return compiled;
  }

  #rewritten(bytes: Uint8Array, options: WasmOptions): CompiledModule {
    const rewritten = rewrite(decodeFor(bytes), rewriteOptions(this.#memoryBytes, options));
    const metered = options.fuel !== undefined;
    return {
      module: new engine.Module(encode(rewritten)),
      metered,
      bounded: metered || options.deterministic !== undefined,
      slots: STACK_SLOTS,
    };
  }

  /** Nobody's word is taken for it: whoever sent the module may have sent any certificate with it. */
  #proved(bytes: Uint8Array, certificate: Uint8Array, options: WasmOptions): CompiledModule {
    const checked = checkProof(bytes, certificate);
    if (!checked.ok) throw untrue(checked);
    const given = decodeFor(bytes);
    const { memoryPages = 1, tableElements } = rewriteOptions(this.#memoryBytes, options);
    const clamped = clampLimits(given, { memoryPages, tableElements: tableElements ?? 0 });
    if (options.deterministic) refuseFeatures(clamped, nondeterministicFeatures);
    const module = options.deterministic ? canonicalizeNans(clamped) : clamped;
    // What runs is what was proved; lower limits and canonical NaNs keep every bound, locals for NaNs aside.
    const changed = options.deterministic !== undefined || !sameLimits(given, clamped);
    return {
      module: new engine.Module(changed ? encode(module) : bytes),
      metered: true,
      bounded: true,
      slots: Math.min(STACK_SLOTS, Number(checked.proof.bounds.countedSlots)),
    };
  }
}

function decodeFor(bytes: Uint8Array): Module {
  const module = decode(bytes);
  checkImports(module, (from, name, _, signature) => {
    if (from !== WASI_MODULE || signature === undefined) return false;
    const { parameters, results } = signature;
    return isWasiFunction(name, parameters.map(nameOfType), results.map(nameOfType));
  });
  return module;
}

function sameLimits(one: Module, other: Module): boolean {
  const maxima = (module: Module): string =>
    [...allMemories(module), ...allTables(module).map(({ limits }) => limits)]
      .map(({ maximum }) => maximum)
      .join();
  return maxima(one) === maxima(other);
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function untrue(check: Exclude<ProofCheck, { readonly ok: true }>): CaissonError {
  const { obligation, offset, message } = check;
  return new CaissonError('WASM_REFUSED', {
    layer: 'backends',
    message: `the certificate is not true of the module: ${obligation} (offset 0x${offset.toString(16)}): ${message}`,
    hint: 'make both again with caisson prove',
    details: { obligation, offset },
  });
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

/** Slots that a guest has whose stack is bounded, and of which no certificate says less. */
export const stackSlots = STACK_SLOTS;
