/**
 * Work that holds everybody up while it is done: of each tenant one piece at a time, and others come between. After a piece
 * the loop is left to the others for as long as that took: it takes one new connection in at each pass (libuv 1.52), and a
 * tenant can open many.
 */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** @returns what the work comes to, when the tenant's earlier ones are done */
  async take<T>(tenant: string, work: () => T | Promise<T>): Promise<T> {
    const before = this.#last.get(tenant);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(tenant, promise);
    let heldMs = 0;
    try {
      await before;
      const began = performance.now();
      const coming = work();
      heldMs = performance.now() - began;
      return await coming;
    } finally {
      const pass = (): void => {
        if (this.#last.get(tenant) === promise) this.#last.delete(tenant);
        resolve();
      };
      // Whatever came meanwhile is seen to before the next piece, also where that is asked for only now.
      if (heldMs < 1) setImmediate(pass);
      else setTimeout(pass, heldMs);
    }
  }
}
