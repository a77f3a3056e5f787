/** Numbers in their shortest form alone, so that there is one way to write an instruction. Proofs read modules so. */
import { isPrefix } from './instructions.ts';
import { Reader } from './reader.ts';

export class StrictReader extends Reader {
  override u32(): number {
    const start = this.position;
    const value = super.u32();
    if (this.position - start > 1 && this.bytes[this.position - 1] === 0) this.#tooLong(start);
    return value;
  }

  override s32(): number {
    const start = this.position;
    const value = super.s32();
    this.#repeatsNoSign(start);
    return value;
  }

  override s33(): number {
    const start = this.position;
    const value = super.s33();
    this.#repeatsNoSign(start);
    return value;
  }

  override skipS64(): void {
    const start = this.position;
    super.skipS64();
    this.#repeatsNoSign(start);
  }

  /** Exact below 2^53. */
  s64(): number {
    const start = this.position;
    this.skipS64();
    let value = (this.bytes[this.position - 1] as number) & 0x40 ? -1 : 0;
    for (let at = this.position - 1; at >= start; at--)
      value = value * 0x80 + ((this.bytes[at] as number) & 0x7f);
    return value;
  }

  /** As src/wasm/instructions.ts numbers them: behind a prefix, prefix · 0x1000 + number. */
  opcode(): number {
    const first = this.byte();
    return isPrefix(first) ? first * 0x1000 + this.u32() : first;
  }

  /** From here on no further than a size that stands here; gives back the end that was, for {@link leave}. */
  enter(): number {
    const [size, outer] = [this.u32(), this.end];
    if (size > outer - this.position) throw this.malformed(`${size} bytes are not there`);
    this.end = this.position + size;
    return outer;
  }

  leave(outer: number): void {
    if (!this.atEnd) throw this.malformed('more than the size says');
    this.end = outer;
  }

  #repeatsNoSign(start: number): void {
    const [before = 0, last] = [this.bytes[this.position - 2], this.bytes[this.position - 1]];
    if (this.position - start > 1 && last === (before & 0x40 ? 0x7f : 0)) this.#tooLong(start);
  }

  #tooLong(start: number): never {
    throw this.malformed('a number that is longer than it need be', start);
  }
}
