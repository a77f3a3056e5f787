/** When keys were used last, written down now and then: not each request costs a write. */
import type { KeyStore } from '../../store/key-record.ts';

const EVERY_MS = 30_000;

export class KeyUses {
  readonly #store: KeyStore;
  readonly #uses = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: KeyStore) {
    this.#store = store;
  }

  /** @param atMs wall clock, Unix ms */
  note(id: string, atMs: number): void {
    this.#uses.set(id, atMs);
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A store that cannot be written says so to whoever changes something; nobody waits for this.
      void this.#write().catch(() => undefined);
    }, EVERY_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#write().catch(() => undefined);
  }

  async #write(): Promise<void> {
    if (this.#uses.size === 0) return;
    const uses = [...this.#uses];
    this.#uses.clear();
    await this.#store.touch(uses);
  }
}
