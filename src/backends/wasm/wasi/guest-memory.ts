import type { WasmMemory } from '../engine.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The guest's linear memory, with every access checked against its size as it is now. Addresses and lengths are
 * unsigned 32-bit numbers: their sum is exact in a double, so that nothing wraps around.
 *
 * A caller asks `holds` before it reads or writes; the accessors themselves throw RangeError past the end.
 */
export class GuestMemory {
  #memory: WasmMemory | undefined;
  #buffer = new ArrayBuffer(0);
  #view = new DataView(this.#buffer);
  #bytes = new Uint8Array(this.#buffer);

  attach(memory: WasmMemory): void {
    this.#memory = memory;
    this.refresh();
  }

  get attached(): boolean {
    return this.#memory !== undefined;
  }

  /** Called at the start of every call: the guest may have grown its memory, which detaches the old buffer. */
  refresh(): void {
    const buffer = this.#memory?.buffer;
    if (buffer === undefined || buffer === this.#buffer) return;
    this.#buffer = buffer;
    this.#view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Whether `length` bytes at `address` lie inside; an address is checked also for no bytes. */
  holds(address: number, length: number): boolean {
    return address + length <= this.#buffer.byteLength;
  }

  /** The memory itself, not a copy: to be used before the guest runs again. */
  bytes(address: number, length: number): Uint8Array {
    return this.#bytes.subarray(address, address + length);
  }

  u8(address: number): number {
    return this.#view.getUint8(address);
  }

  u16(address: number): number {
    return this.#view.getUint16(address, true);
  }

  u32(address: number): number {
    return this.#view.getUint32(address, true);
  }

  u64(address: number): bigint {
    return this.#view.getBigUint64(address, true);
  }

  setU8(address: number, value: number): void {
    this.#view.setUint8(address, value);
  }

  setU16(address: number, value: number): void {
    this.#view.setUint16(address, value, true);
  }

  setU32(address: number, value: number): void {
    this.#view.setUint32(address, value, true);
  }

  setU64(address: number, value: bigint): void {
    this.#view.setBigUint64(address, value, true);
  }

  /** @returns undefined where the bytes are no UTF-8 */
  text(address: number, length: number): string | undefined {
    try {
      return decoder.decode(this.bytes(address, length));
    } catch {
      return undefined;
    }
  }
}
