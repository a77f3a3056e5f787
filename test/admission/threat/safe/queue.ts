export class Queue<T> {
  readonly #items: T[] = [];
  put(item: T): void {
    this.#items.push(item);
  }
  take(): T | undefined {
    return this.#items.shift();
  }
}
