/**
 * How much may be done at once where others wait for the same event loop. A unit is about the time that one small file takes
 * to be looked at, some 40 µs.
 */

const INLINE_UNITS = 150;
const BYTES = 64 * 1024;
const TEXT = 16 * 1024;
const LINES = 128;
const STEPS = 4096;
const NAMES = 64;
const LETTERS = 128;

/** Thrown inside, never out of `runChanges`: begin again on a thread of its own. */
export class BeyondBudget extends Error {}

export class Budget {
  #left: number;

  private constructor(units: number) {
    this.#left = units;
  }

  /** Of the thread that serves everybody. */
  static inline(): Budget {
    return new Budget(INLINE_UNITS);
  }

  /** Of a thread that does nothing else. */
  static unlimited(): Budget {
    return new Budget(Number.POSITIVE_INFINITY);
  }

  get isLimited(): boolean {
    return this.#left < Number.POSITIVE_INFINITY;
  }

  /** A file on its way, which may be deep. @throws BeyondBudget */
  file(path: string, times = 1): void {
    this.#spend(times + path.length / LETTERS);
  }

  names(count: number): void {
    this.#spend(count / NAMES);
  }

  bytes(count: number): void {
    this.#spend(count / BYTES);
  }

  /** Bytes that are shown. */
  text(bytes: number): void {
    this.#spend(bytes / TEXT);
  }

  /** Of a text that is taken apart and put together again. */
  lines(count: number): void {
    this.#spend(count / LINES);
  }

  /** Of a search for the shortest script. */
  steps(count: number): void {
    this.#spend(count / STEPS);
  }

  #spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) throw new BeyondBudget('more than is done at once');
  }
}
