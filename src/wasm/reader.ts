/**
 * Reads the primitives of the binary format (core specification 5.2): bytes, LEB128, vectors, names. Every read is
 * checked against the end, every failure says where.
 */
import type { CaissonError } from '../core/error.ts';
import { malformed, type Place, tooLarge } from './problem.ts';

/** Forgets nothing between names: it is not streaming. A byte order mark is part of a name. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Reader {
  readonly bytes: Uint8Array;
  position: number;
  /** First byte that is not to be read. */
  end: number;
  /** What is being read, for errors. */
  section: string;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length, section = 'header') {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.section = section;
  }

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  place(offset: number = this.position): Place {
    return { offset, section: this.section };
  }

  /** The error to throw; `offset` is where it went wrong. */
  malformed(message: string, offset: number = this.position): CaissonError {
    return malformed(message, this.place(offset));
  }

  byte(): number {
    const byte = this.position < this.end ? this.bytes[this.position] : undefined;
    if (byte === undefined) throw this.malformed('unexpected end');
    this.position++;
    return byte;
  }

  /** A view, not a copy. */
  take(length: number): Uint8Array {
    if (length > this.end - this.position)
      throw this.malformed(`${length} bytes are announced, ${this.end - this.position} are left`);
    const taken = this.bytes.subarray(this.position, this.position + length);
    this.position += length;
    return taken;
  }

  /** Unsigned, 32 bits: at most 5 bytes; longer than need be is allowed within these. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.byte();
    if (last > 0x0f) throw this.malformed('an integer of more than 32 bits', this.position - 1);
    return (value | (last << 28)) >>> 0;
  }

  s32(): number {
    return this.#signed(0x78);
  }

  /** A type index, or one byte of a type as a negative number. */
  s33(): number {
    return this.#signed(0x70);
  }

  /** Its value is of no interest to anybody here. */
  skipS64(): void {
    for (let length = 1; length < 10; length++) if (this.byte() < 0x80) return;
    const last = this.byte();
    if (last !== 0 && last !== 0x7f)
      throw this.malformed('an integer of more than 64 bits', this.position - 1);
  }

  /** How many follow. Each takes at least one byte, so that a count is believed no further than there are bytes. */
  count(what: string, most: number): number {
    const offset = this.position;
    const count = this.u32();
    if (count > this.end - this.position)
      throw this.malformed(`${count} ${what} in ${this.end - this.position} bytes`, offset);
    if (count > most) throw tooLarge(what, count, most, this.place(offset));
    return count;
  }

  name(): string {
    const offset = this.position;
    const bytes = this.take(this.u32());
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.malformed('a name that is not UTF-8', offset);
    }
  }

  /** An index into something that has `size` elements. */
  index(what: string, size: number): number {
    const offset = this.position;
    const index = this.u32();
    if (index >= size) throw this.malformed(`there is no ${what} ${index}`, offset);
    return index;
  }

  /** `unused`: the bits of a fifth byte that repeat the sign, with the sign. */
  #signed(unused: number): number {
    let value = 0;
    for (let length = 0; length < 4; length++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * length);
      if (byte < 0x80) return byte & 0x40 ? value - 2 ** (7 * (length + 1)) : value;
    }
    const last = this.byte();
    const sign = last & unused;
    if (last > 0x7f || (sign !== 0 && sign !== unused))
      throw this.malformed('a signed integer with too many bits', this.position - 1);
    const high = sign === 0 ? last : last - 0x80;
    return value + high * 2 ** 28;
  }
}
