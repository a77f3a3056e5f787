/** V8's WebAssembly as the tests use it; TypeScript declares it in the DOM's library alone. */

export type Exports = Record<string, (...args: (number | bigint)[]) => unknown> &
  Record<string, { value: unknown; buffer: ArrayBuffer }>;

interface Engine {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports?: object) => { readonly exports: Exports };
  readonly Memory: new (size: { initial: number; maximum?: number }) => { buffer: ArrayBuffer };
  readonly RuntimeError: new () => Error;
}

export const engine: Engine = (globalThis as unknown as { WebAssembly: Engine }).WebAssembly;

/** Compiles (which says what is wrong with it, if something is) and instantiates. */
export function instantiate(bytes: Uint8Array, imports: object = {}): Exports {
  return new engine.Instance(new engine.Module(bytes), imports).exports;
}

/** What a call came to: its value as text, or why it trapped. */
export function outcome(run: () => unknown): string {
  try {
    const value = run();
    return Array.isArray(value) ? value.map(String).join() : String(value);
  } catch (error) {
    if (error instanceof engine.RuntimeError || error instanceof RangeError)
      return `${error.name}: ${error.message}`;
    throw error;
  }
}
