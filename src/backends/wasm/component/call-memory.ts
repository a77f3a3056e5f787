/** Values in the memory of a module whose functions are called by the canonical ABI. */
import type { WasmMemory } from '../engine.ts';

export interface CallExports {
  readonly memory: WasmMemory;
  readonly cabi_realloc: (old: number, oldBytes: number, align: number, bytes: number) => number;
}

const decoder = new TextDecoder();

/** Offsets are checked by the views themselves: what lies outside throws a RangeError. */
export class CallMemory {
  readonly #exports: CallExports;

  constructor(exports: CallExports) {
    this.#exports = exports;
  }

  /** Room in it. Views made before are of no use then: it may have grown. */
  take(bytes: number, align: number): number {
    return this.#exports.cabi_realloc(0, 0, align, bytes) >>> 0;
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  /** Address and length of a list or a string. */
  pair(at: number): [address: number, length: number] {
    const view = new DataView(this.#exports.memory.buffer, at, 8);
    return [view.getUint32(0, true), view.getUint32(4, true)];
  }

  /** A list of bytes that stands in the pair. */
  copy(at: number): Uint8Array {
    return this.bytes(...this.pair(at)).slice();
  }

  text(at: number): string {
    return decoder.decode(this.bytes(...this.pair(at)));
  }

  /** Copies bytes in, and writes the pair that stands for them. */
  putBytes(at: number, bytes: Uint8Array): void {
    const address = this.take(bytes.length, 1);
    this.bytes(address, bytes.length).set(bytes);
    const view = new DataView(this.#exports.memory.buffer, at, 8);
    view.setUint32(0, address, true);
    view.setUint32(4, bytes.length, true);
  }
}
