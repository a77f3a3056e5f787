/**
 * Lists that are made one item at a time while others are made for the items: each comes to have its size, instead of
 * the room that a list grows by. They are copied, not written as literals: those that are often alive at a young
 * collection V8 comes to make in old space, from where they keep all that is in them, and the next collections copy it.
 */
export class ListMaker {
  /** Of the lists that are being made, the outer ones first. */
  readonly #made: unknown[] = [];
  #count = 0;

  /** Where a list begins; what is added from here on is {@link take}n together. */
  begin(): number {
    return this.#count;
  }

  add(item: unknown): void {
    this.#made[this.#count++] = item;
  }

  /** What was added since, in order; nobody may add to it. */
  take<T>(from: number): T[] {
    return from === this.#count ? (NONE as T[]) : this.takeOwn(from);
  }

  /** The same as a list that whoever takes it may change. */
  takeOwn<T>(from: number): T[] {
    const taken = this.#made.slice(from, this.#count);
    this.#made.fill(undefined, from, this.#count);
    this.#count = from;
    return taken as T[];
  }

  one<T>(item: T): T[] {
    const from = this.#count;
    this.add(item);
    return this.takeOwn(from);
  }

  two<T>(first: T, second: T): T[] {
    const from = this.#count;
    this.add(first);
    this.add(second);
    return this.takeOwn(from);
  }

  /** What was added since, without taking it. */
  since<T>(from: number): T[] {
    return this.#made.slice(from, this.#count) as T[];
  }
}

const NONE: readonly unknown[] = [];
