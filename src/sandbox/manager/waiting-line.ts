/**
 * The requests of one tenant that wait, in the order in which they go: by priority, the older first, and a step of
 * priority is worth so many milliseconds of waiting. Hence whoever waits is passed for a bounded time only: by requests
 * that came at most that much later.
 */
export interface Waiting {
  readonly id: string;
  /** Higher goes first. */
  readonly priority: number;
  /** Monotonic. */
  readonly enqueuedMs: number;
  /** Counts up: who came first in the same millisecond. */
  readonly order: number;
}

export class WaitingLine<T extends Waiting> {
  readonly #agingMs: number;
  /** Last goes first, so that taking it moves nothing. */
  readonly #items: T[] = [];

  constructor(agingMs: number) {
    this.#agingMs = agingMs;
  }

  get length(): number {
    return this.#items.length;
  }

  get head(): T | undefined {
    return this.#items.at(-1);
  }

  add(item: T): void {
    this.#items.splice(this.#place(item), 0, item);
  }

  /** @returns whether it was there */
  remove(item: T): boolean {
    const at = this.#place(item);
    if (this.#items[at] !== item) return false;
    this.#items.splice(at, 1);
    return true;
  }

  /** Index of it, or where it belongs. */
  #place(item: T): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#goesAfter(this.#items[middle] as T, item)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #goesAfter(a: T, b: T): boolean {
    const [first, second] = [this.#key(a), this.#key(b)];
    return first === second ? a.order > b.order : first > second;
  }

  /** When it would have come, had it come with priority 0: it does not change while it waits. */
  #key({ enqueuedMs, priority }: T): number {
    return enqueuedMs - priority * this.#agingMs;
  }
}
