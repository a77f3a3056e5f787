export class Counter {
  #counts = new Map();
  add(word) {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
    return this;
  }
  top(count) {
    return [...this.#counts].sort((a, b) => b[1] - a[1]).slice(0, count);
  }
}
