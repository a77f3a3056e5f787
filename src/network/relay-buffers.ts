/**
 * Memory that transfers are read into, of three sizes.
 *
 * How much comes with one read decides what a transfer costs: with 4 MiB a relayed byte takes less than half of the
 * processor time that it takes with 128 KiB, since sender, relay and receiver wake each other less often. Memory for
 * that has a bound, for all connections of the process together; who gets none goes on with what it has.
 */

/** 64 KiB takes a sixth longer than 128. The pages are there when they are used. */
const SIZES: readonly [number, ...number[]] = [128 * 1024, 1024 * 1024, 4 * 1024 * 1024];
/** Of what is larger than the smallest. */
const LARGE_MAX_BYTES = 64 * 1024 * 1024;
/** Taken up again by the next connection: fresh ones cost a short connection more in collection than all else. */
const SPARES_MAX = [64, 8, 4] as const;

const [SMALLEST] = SIZES;

export class RelayBuffers {
  readonly #spares = new Map<number, Buffer[]>(SIZES.map((size) => [size, []]));
  #largeBytes = 0;

  /** Lent out, beyond the smallest. */
  get largeBytes(): number {
    return this.#largeBytes;
  }

  /** Of the smallest size. Whoever takes one gives it back, once nothing reads into it or writes out of it. */
  take(): Buffer {
    return this.#lend(SMALLEST);
  }

  /**
   * What the next read should fill, after one of `count` bytes: one larger than a buffer that was filled, one smaller
   * than a buffer of which little was used, else `buffer` itself. The caller gives back what it had.
   */
  after(buffer: Buffer, count: number): Buffer {
    const larger = SIZES.find((size) => size > buffer.length);
    if (count === buffer.length && larger !== undefined) {
      return this.#largeBytes + larger > LARGE_MAX_BYTES ? buffer : this.#lend(larger);
    }
    const smaller = SIZES.findLast((size) => size < buffer.length);
    return smaller !== undefined && count <= smaller / 2 ? this.#lend(smaller) : buffer;
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length > SMALLEST) this.#largeBytes -= buffer.length;
    const spares = this.#spares.get(buffer.length) ?? [];
    const most = SPARES_MAX[SIZES.indexOf(buffer.length)] ?? 0;
    if (spares.length < most) spares.push(buffer);
  }

  #lend(size: number): Buffer {
    if (size > SMALLEST) this.#largeBytes += size;
    return this.#spares.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  }
}
