/**
 * What the light walls evaluate: programs with an input and a result, thousands a second, rather than commands.
 *
 * A program is evaluated by an engine (`isolate/`, `wasm/`) in a host process that itself stands behind a wall of its own.
 * The wall holds; the engine is fast.
 */

import type { Outcome } from '../core/outcome.ts';

/** Source of a program. Immutable: engines keep what they compiled of it. */
export interface Program {
  /** What tells it from other programs of the same host, such as a digest of all below. */
  readonly id: string;
  readonly language: 'javascript' | 'typescript' | 'wasm';
  /** By path, `/`-separated, without a leading `/`. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** One of `files`. */
  readonly entry: string;
  /** Bare specifier, or one ending in `/`, to a path of `files` (the WICG import map's `imports`). */
  readonly imports?: Readonly<Record<string, string>>;
  /** Scripts that are run before it in its global scope; what they leave is kept as a snapshot where that is possible. */
  readonly libraries?: readonly { readonly name: string; readonly source: string }[];
}

/** What stays of an evaluation for the next one of the same program. */
export type Keep =
  /** Nothing: an isolate of its own. */
  | 'nothing'
  /** The isolate with its compiled code; globals are new. */
  | 'isolate'
  /** Everything: what it leaves in its globals is there the next time. */
  | 'context';

export interface Evaluate {
  readonly program: Program;
  /** Export that is called, or read where it is no function. */
  readonly export: string;
  /** Structured clones of these are the arguments. */
  readonly args: readonly unknown[];
  /** Names of the host functions that it may call, dotted where they belong together (`db.query`). */
  readonly grants: readonly string[];
  readonly keep: Keep;
  /** Of processor time, milliseconds. */
  readonly cpuMs: number;
  /** Milliseconds. */
  readonly wallMs: number;
  /** stdout and stderr, each; what is more is cut. */
  readonly outputBytes: number;
  /** Of the serialised result. */
  readonly resultBytes: number;
  /** For programs of that language alone. */
  readonly wasm?: WasmOptions;
  /** Its code is compiled and nothing of it runs; the value is undefined. */
  readonly compileOnly?: true;
}

export interface WasmOptions {
  /** Of a command, its name first; default none. */
  readonly args?: readonly string[];
  /** Default none. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default at its end. */
  readonly stdin?: Uint8Array;
  /** Directories that the guest finds open, by the path that it sees: where they are on this host. Read-only. `/tmp` is its own, empty, in memory. */
  readonly preopens?: Readonly<Record<string, string>>;
  /** Instructions that it may execute, counted the same on every machine; default: they are not counted. */
  readonly fuel?: bigint;
  /** The same inputs give the same outputs: clocks that tell a time of their own, random numbers of that seed, canonical NaNs; threads and relaxed SIMD are refused. */
  readonly deterministic?: { readonly seed: string };
  /** A `wasm-pcc/v1` certificate of the module (docs/proof.md). The engine checks it itself, and then counts nothing a second time; one that is not true is an error. */
  readonly certificate?: Uint8Array;
}

/** What a guest threw, or what is wrong with its source. Texts of the guest's: show them, never act on them. */
export interface GuestError {
  readonly name: string;
  readonly message: string;
  /** Lines of the guest alone. */
  readonly stack?: string;
  /** Where a syntax error is. */
  readonly position?: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
    /** The line itself, and a caret below the place. */
    readonly excerpt: string;
  };
}

export type Evaluated = {
  readonly cpuMs: number;
  /** Peak of the engine's own heap, bytes; 0 where nobody counts it. */
  readonly memoryBytes: number;
  /** WASM: units of fuel that were used, where they are counted. */
  readonly fuel?: bigint;
} & (
  | { readonly kind: 'value'; readonly value: unknown }
  /** `code`: 1, or what the program exited with. */
  | { readonly kind: 'error'; readonly error: GuestError; readonly code: number }
  | { readonly kind: 'timed-out'; readonly clock: 'wall' | 'cpu' | 'fuel' }
  | { readonly kind: 'out-of-memory' }
);

/** How an evaluation ended, also where its host did not survive it. */
export type HostEvaluated = {
  /** From its turn to its end, milliseconds. */
  readonly wallMs: number;
} & (
  | Evaluated
  /** By its caller. */
  | { readonly kind: 'killed'; readonly cpuMs: number; readonly memoryBytes: number }
  /** The host crashed, or was ended by its wall: how. */
  | {
      readonly kind: 'ended';
      readonly outcome: Outcome;
      readonly cpuMs: number;
      readonly memoryBytes: number;
    }
);

/** What an evaluation asks of its caller while it runs. */
export interface EvaluateHooks {
  /** @returns what the host function came to; a rejection reaches the guest as an Error with its message */
  call(name: string, args: readonly unknown[]): Promise<unknown>;
  write(stream: 'stdout' | 'stderr', output: string | Uint8Array): void;
  /** So many bytes of a stream were beyond its limit, and are not told. */
  dropped?(stream: 'stdout' | 'stderr', bytes: number): void;
}

/** Evaluates one thing at a time. */
export interface Engine {
  /** Never rejects for what the guest did. */
  evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<Evaluated>;
  /** Whether this engine must not be used again, after an evaluation. */
  readonly isSpent: boolean;
  /** Called when there is nothing to do: makes ready what the next evaluation needs. */
  idle(): void;
  close(): void;
}

/** `component`: a host of WebAssembly that has room for the compiler of components. */
export type EngineName = 'isolate' | 'wasm' | 'component';

/** What a host is for. */
export interface HostKind {
  readonly engine: EngineName;
  /** Of each guest, bytes. */
  readonly memoryBytes: number;
  /**
   * Whether something of a guest stays for the next one. Isolates of which nothing stays have hosts of their own: what
   * others keep is not in the way of their limit.
   */
  readonly keeps: boolean;
}

/** `\0asm`, version 13, layer 1 (component-model, Binary.md); a core module has version 1, layer 0. */
const COMPONENT_HEADER = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

export function isComponent(bytes: string | Uint8Array | undefined): boolean {
  if (!(bytes instanceof Uint8Array)) return false;
  return COMPONENT_HEADER.every((byte, index) => bytes[index] === byte);
}

/** Which engine a program is evaluated by. */
export function engineOf({ language, files, entry }: Program): EngineName {
  if (language !== 'wasm') return 'isolate';
  return isComponent(files[entry]) ? 'component' : 'wasm';
}

/** `process`: in a host process behind a wall; `inline`: in the caller's own process. */
export type Placement = 'process' | 'inline';

/** What stands around the evaluations of a pool. */
export interface Standing {
  readonly wall: string;
  readonly wallReason: string;
  /** Weaknesses that were accepted by id. */
  readonly accepted: readonly string[];
}

/** Evaluates for one tenant and one policy. */
export interface EvaluationPool {
  /** Known once it was warmed. */
  readonly standing: Standing | undefined;
  /** @throws what a host could not be started for */
  evaluate(evaluate: Evaluate, hooks: EvaluateHooks, signal?: AbortSignal): Promise<HostEvaluated>;
  /** Makes ready what the first evaluation needs. */
  warm(): Promise<void>;
  close(): Promise<void>;
}
