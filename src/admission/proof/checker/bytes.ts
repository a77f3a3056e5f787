/** Numbers and names of the binary format, each in its shortest form alone: one way to write a module. */
import { violated } from './violation.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class Bytes {
  readonly all: Uint8Array;
  at = 0;
  /** First byte that is not to be read. */
  end: number;

  constructor(all: Uint8Array) {
    this.all = all;
    this.end = all.length;
  }

  byte(): number {
    if (this.at >= this.end) violated('structure', this.at, 'the bytes end here');
    return this.all[this.at++] as number;
  }

  skip(count: number): void {
    if (count > this.end - this.at) violated('structure', this.at, `${count} bytes are not there`);
    this.at += count;
  }

  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const start = this.at - 1;
    let value = first - 0x80;
    for (let scale = 0x80; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte === 0 || value > 0xffffffff)
        violated('structure', start, 'a number that is too long');
      if (byte < 0x80) return value;
    }
  }

  /** Exact below 2^53. */
  signed(bits: 32 | 33 | 64): number {
    const start = this.at;
    let [value, scale, before, byte] = [0, 1, 0, 0];
    do {
      before = byte;
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80 && this.at - start < 10);
    const repeats = before & 0x40 ? byte === 0x7f : byte === 0 && this.at - start > 1;
    if (byte & 0x40) value -= scale;
    const most = 2 ** (bits - 1);
    // With 64 bits 2^63 - 1 is rounded up; more than that the engine refuses, and no rule depends on it.
    const fits = value >= -most && (value < most || (bits === 64 && value === most));
    if (repeats || byte >= 0x80 || !fits) violated('structure', start, 'a number that is too long');
    return value;
  }

  name(): string {
    const start = this.at;
    const length = this.u32();
    this.skip(length);
    try {
      return UTF8.decode(this.all.subarray(this.at - length, this.at));
    } catch {
      return violated('structure', start, 'a name that is not UTF-8');
    }
  }

  /** How many follow; each takes a byte at least. */
  count(): number {
    const start = this.at;
    const count = this.u32();
    if (count > this.end - this.at) violated('structure', start, `${count} are not there`);
    return count;
  }

  /** Whether these follow; if so they are read. */
  take(expected: readonly number[]): boolean {
    const { all, at } = this;
    if (expected.length > this.end - at) return false;
    for (let i = 0; i < expected.length; i++) if (all[at + i] !== expected[i]) return false;
    this.at += expected.length;
    return true;
  }

  /** What {@link count} bytes further is, -1 behind the end. */
  peek(count = 0): number {
    return this.at + count < this.end ? (this.all[this.at + count] as number) : -1;
  }
}

/** The bytes of a number from 0 in its shortest form. */
export function shortest(value: number, signed = false): number[] {
  if (value < (signed ? 0x40 : 0x80)) return [value];
  return [(value % 0x80) + 0x80, ...shortest(Math.floor(value / 0x80), signed)];
}
