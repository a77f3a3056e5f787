/** The WebAssembly project's tools as jco ships them: from text to components, from core modules and adapters, too. */

export interface WasmTools {
  /** From the text format, of modules and of components. */
  parse(text: string): Uint8Array;
  /** A component of a core module that carries its world, or that imports preview 1 and an adapter is given for. */
  componentNew(core: Uint8Array, adapters?: readonly (readonly [string, Uint8Array])[]): Uint8Array;
}

let loaded: Promise<WasmTools> | undefined;

export function wasmTools(): Promise<WasmTools> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<WasmTools> {
  const path = '@bytecodealliance/jco-transpile/wasm-tools';
  const vendor = new URL('../vendor/wasm-tools.js', import.meta.resolve(path));
  const { $init, tools } = (await import(vendor.href)) as {
    $init: Promise<void>;
    tools: WasmTools;
  };
  await $init;
  return tools;
}
