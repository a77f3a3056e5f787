/**
 * V8's WebAssembly namespace, typed as far as it is used here: TypeScript declares it in its DOM library alone, and
 * a server's code that has the DOM's globals in scope compiles where it should not.
 */

export interface WasmMemory {
  /** The memory as it is now. Growing detaches it: ask again after the guest has run. */
  readonly buffer: ArrayBuffer;
  /** @returns the size before, in pages of 64 KiB */
  grow(pages: number): number;
}

/** Compiled code, not yet given a memory or imports. */
export type WasmModule = object & { readonly [module]: true };
declare const module: unique symbol;

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface WasmImport {
  readonly module: string;
  readonly name: string;
  readonly kind: 'function' | 'table' | 'memory' | 'global' | 'tag';
}

/** A mutable number that modules share. */
export interface WasmGlobal {
  value: bigint | number;
}

interface Engine {
  readonly Module: {
    new (bytes: Uint8Array): WasmModule;
    imports(module: WasmModule): WasmImport[];
    exports(module: WasmModule): { readonly name: string; readonly kind: string }[];
  };
  readonly Instance: new (module: WasmModule, imports?: WasmImports) => WasmInstance;
  readonly Memory: new (size: {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }) => WasmMemory;
  readonly Global: new (
    type: { value: 'i32' | 'i64'; mutable: true },
    initial: bigint | number,
  ) => WasmGlobal;
  /** What a trap of the guest is thrown as. */
  readonly RuntimeError: new (
    message?: string,
  ) => Error;
  readonly CompileError: new (message?: string) => Error;
  readonly LinkError: new (message?: string) => Error;
}

export const engine: Engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;
