/** Chance that can be had again: the same seed, the same choices. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1, without 1. mulberry32: enough for choices, for nothing secret. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  /** A whole number from 0 on. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** Both among them. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** @param all not empty */
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }

  pickIfAny<T>(all: readonly T[]): T | undefined {
    return this.pick<T | undefined>(all);
  }

  some<T>(all: readonly T[], most: number): T[] {
    const keyed = all.map((each) => ({ each, key: this.next() }));
    return keyed
      .sort((a, b) => a.key - b.key)
      .slice(0, most)
      .map(({ each }) => each);
  }
}
