/** Writes the primitives of the binary format, each in its shortest form. */
const UTF8 = new TextEncoder();

export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  byte(byte: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
    return this;
  }

  /** Copies a range. Most are a few bytes, for which a loop is faster than a view of them. */
  bytes(bytes: Uint8Array, begin = 0, end: number = bytes.length): this {
    this.#reserve(end - begin);
    if (end - begin > 64) this.#bytes.set(bytes.subarray(begin, end), this.#length);
    else
      for (let from = begin, to = this.#length; from < end; from++, to++)
        this.#bytes[to] = bytes[from] ?? 0;
    this.#length += end - begin;
    return this;
  }

  /** What another one has written. */
  append(other: Writer): this {
    return this.bytes(other.#bytes, 0, other.#length);
  }

  u32(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest);
  }

  /** Signed, up to 53 bits: enough for every constant and cost that is written here. */
  signed(value: number): this {
    let rest = value;
    while (rest < -0x40 || rest >= 0x40) {
      const low = rest - Math.floor(rest / 0x80) * 0x80;
      this.byte(low | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest & 0x7f);
  }

  name(name: string): this {
    const bytes = UTF8.encode(name);
    return this.u32(bytes.length).bytes(bytes);
  }

  /** What was written, in bytes of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** To write again from the beginning. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
