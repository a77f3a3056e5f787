/**
 * The lines of a file as places in one buffer, read in large pieces. Before each line but a file's first, the end of
 * the line before lies in the buffer too: that is what a record's hash begins with.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE = 4 * 1024 * 1024;
/** Bytes that are kept of the line before: hash, quote, brace, newline. */
export const BEFORE = 67;
const NEWLINE = 10;

export class LineReader implements Disposable {
  readonly #file: number;
  #buffer: Buffer;
  #start = 0;
  #end = 0;
  #ended = false;
  #position: number;

  /**
   * @param position where the first line begins, bytes
   * @param piece bytes that are read at once
   */
  constructor(path: string, position = 0, piece = PIECE) {
    this.#buffer = Buffer.allocUnsafe(piece + BEFORE);
    this.#file = openSync(path, 'r');
    this.#position = position;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Where the next line begins in the buffer. */
  get start(): number {
    return this.#start;
  }

  /** Bytes of the file before {@link start}. */
  get offset(): number {
    return this.#position - (this.#end - this.#start);
  }

  /** Where the next line's newline is; -1 where the file ends first. May move what is in the buffer. */
  newline(): number {
    for (;;) {
      const found = this.#buffer.indexOf(NEWLINE, this.#start);
      if (found >= 0 && found < this.#end) return found;
      if (this.#ended) return -1;
      this.#fill();
    }
  }

  /** Goes on behind a newline that was found. */
  pass(newline: number): void {
    this.#start = newline + 1;
  }

  /** A piece of the line after the newline, without going there. */
  peek(newline: number, bytes: number): string {
    let next = newline + 1;
    while (next + bytes > this.#end && !this.#ended) {
      const before = this.#start;
      this.#fill();
      next -= before - this.#start;
    }
    return this.#buffer.toString('latin1', next, Math.min(next + bytes, this.#end));
  }

  /** What stands behind the last newline. */
  rest(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #fill(): void {
    const from = Math.max(0, this.#start - BEFORE);
    if (from > 0) {
      this.#buffer.copyWithin(0, from, this.#end);
      this.#start -= from;
      this.#end -= from;
    } else if (this.#end === this.#buffer.length) {
      const larger = Buffer.allocUnsafe(this.#buffer.length * 2);
      this.#buffer.copy(larger, 0, 0, this.#end);
      this.#buffer = larger;
    }
    const room = this.#buffer.length - this.#end;
    const read = readSync(this.#file, this.#buffer, this.#end, room, this.#position);
    this.#ended = read === 0;
    this.#end += read;
    this.#position += read;
  }
}
