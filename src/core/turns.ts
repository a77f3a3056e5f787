/** Work that holds everybody up while it is done: of each tenant one piece at a time, and others come between. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** @returns what the work comes to, when the tenant's earlier ones are done */
  async take<T>(tenant: string, work: () => T | Promise<T>): Promise<T> {
    const before = this.#last.get(tenant);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(tenant, promise);
    try {
      await before;
      return await work();
    } finally {
      // Whatever came meanwhile is seen to before the next piece, also where that is asked for only now.
      setImmediate(() => {
        if (this.#last.get(tenant) === promise) this.#last.delete(tenant);
        resolve();
      });
    }
  }
}
