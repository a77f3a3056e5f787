/**
 * jco's compiler of components, itself a guest: one WebAssembly file that is run within limits and sees no file, no time
 * and no chance but those of a host in memory. A component that makes it fail, or grow, harms nothing but its own run.
 */
import { readFileSync } from 'node:fs';
import { isCaissonError } from '../../../core/error.ts';
import { decode } from '../../../wasm/decode.ts';
import { encode } from '../../../wasm/encode.ts';
import { malformed } from '../../../wasm/problem.ts';
import { rewrite } from '../../../wasm/rewrite/rewrite.ts';
import { engine, type WasmModule } from '../engine.ts';
import { virtualClock } from '../wasi/clock.ts';
import { seededRandom } from '../wasi/random-source.ts';
import { WasiHost } from '../wasi/wasi-host.ts';
import { type CallExports, CallMemory } from './call-memory.ts';

/** Core modules by the names that the glue asks for, and the glue: an ES module that exports `instantiate`. */
export interface Transpiled {
  readonly modules: ReadonlyMap<string, Uint8Array>;
  readonly glue: string;
}

/** 64 MiB: a component of a megabyte needs about 12. */
const MEMORY_PAGES = 1024;
const TABLE_ELEMENTS = 2 ** 16;
const MESSAGE_CHARACTERS = 500;
/** A component of nothing but its header. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
const PLACE = { offset: 0, section: 'component' };

/**
 * Where its options are, in the 100 bytes that `generate` takes (jco-transpile 0.15.0, interface
 * js-component-bindgen-component.d.ts, by the canonical ABI): an option is a byte that says whether it is there, and its
 * value.
 */
const ARGUMENT_BYTES = 100;
const OFFSET = { component: 0, name: 8 } as const;
const OPTIONS = [
  { at: 16, option: 'no TypeScript', value: 1 },
  { at: 18, option: 'instantiation, 1 is sync', value: 1 },
  { at: 38, option: 'no compatibility with Node', value: 1 },
  { at: 40, option: 'bytes up to which a module stands in the glue', value: 0 },
  { at: 48, option: 'top-level await is wrapped', value: 0 },
] as const;

interface Exports extends CallExports {
  readonly generate: (argument: number) => number;
}

export class Transpiler {
  readonly #path: string;
  #module: WasmModule | undefined;

  /** @param path of `js-component-bindgen-component.core.wasm` */
  constructor(path: string) {
    this.#path = path;
  }

  /** Compiles it, and the part of it that every component needs. */
  warm(): void {
    if (this.#module === undefined) this.transpile(EMPTY);
  }

  /** @throws CaissonError `WASM_MALFORMED` for what is no component that it takes */
  transpile(component: Uint8Array): Transpiled {
    const said: Uint8Array[] = [];
    const stderr = { sink: (bytes: Uint8Array) => void said.push(bytes), limitBytes: 4096 };
    const host = new WasiHost({
      clock: virtualClock(),
      random: seededRandom('transpiler'),
      stderr: { ...stderr, pastLimit: 'discard' },
    });
    const instance = new engine.Instance(this.#compiled(), host.imports);
    const exports = instance.exports as unknown as Exports;
    try {
      host.initialize(instance);
      const result = host.run(() => exports.generate(this.#argument(exports, component)));
      if (result.kind === 'returned') return read(new CallMemory(exports), result.value >>> 0);
    } catch (error) {
      if (isCaissonError(error)) throw error;
      const isTrap = error instanceof engine.RuntimeError || error instanceof RangeError;
      if (!isTrap) throw error;
    }
    throw notTaken(new TextDecoder().decode(Buffer.concat(said)) || 'its compiler gave up');
  }

  #compiled(): WasmModule {
    const limits = { memoryPages: MEMORY_PAGES, tableElements: TABLE_ELEMENTS };
    this.#module ??= new engine.Module(encode(rewrite(decode(readFileSync(this.#path)), limits)));
    return this.#module;
  }

  #argument(exports: Exports, component: Uint8Array): number {
    const memory = new CallMemory(exports);
    const at = memory.take(ARGUMENT_BYTES, 4);
    memory.bytes(at, ARGUMENT_BYTES).fill(0);
    memory.putBytes(at + OFFSET.component, component);
    memory.putBytes(at + OFFSET.name, new TextEncoder().encode('component'));
    for (const { at: offset, value } of OPTIONS) memory.bytes(at + offset, 2).set([1, value]);
    return at;
  }
}

/** `result<record { files, imports, exports }, string>`, of which the files are of use. */
function read(memory: CallMemory, at: number): Transpiled {
  if (memory.bytes(at, 1)[0] !== 0) throw notTaken(memory.text(at + 4));
  const modules = new Map<string, Uint8Array>();
  let glue: string | undefined;
  const [first, count] = memory.pair(at + 4);
  for (let index = 0; index < count; index++) {
    const entry = first + 16 * index;
    const name = memory.text(entry);
    if (name.endsWith('.wasm')) modules.set(name, memory.copy(entry + 8));
    else if (name.endsWith('.js')) glue = memory.text(entry + 8);
  }
  if (glue === undefined) throw notTaken('its compiler wrote no code');
  return { modules, glue };
}

/** In one line: why, and what that was caused by. */
function notTaken(why: string): Error {
  const line = why.trim().replace(/\s+/g, ' ').slice(0, MESSAGE_CHARACTERS);
  return malformed(`the component is not valid: ${line}`, PLACE);
}
