/** So many bytes at a time out of a stream of pieces of any length. */

export class Pieces {
  readonly #pieces: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncIterable<Buffer>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Fewer where it ends. A copy or a view: valid until the next call at least. */
  async take(length: number): Promise<Buffer> {
    if (this.#rest.length >= length) return this.#cut(length);
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < length) {
      const { value, done } = await this.#pieces.next();
      if (done === true) break;
      parts.push(value);
      have += value.length;
    }
    this.#rest = Buffer.concat(parts);
    return this.#cut(length);
  }

  /** @returns how many there were to pass over */
  async skip(length: number): Promise<number> {
    let passed = Math.min(length, this.#rest.length);
    this.#rest = this.#rest.subarray(passed);
    while (passed < length) {
      const { value, done } = await this.#pieces.next();
      if (done === true) break;
      const part = Math.min(value.length, length - passed);
      passed += part;
      this.#rest = value.subarray(part);
    }
    return passed;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  #cut(length: number): Buffer {
    const cut = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return cut;
  }
}
