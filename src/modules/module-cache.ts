/**
 * Modules that are executed, by the reference that they are executed by. What this process changes it knows at once; what
 * others change it asks for a few times a second, on the way of an execution, which costs microseconds.
 */
import type { ModuleStore } from '../store/module-record.ts';
import type { LoadedModule } from './loaded-module.ts';

const LOOK_MS = 200;
const BYTES_MAX = 64 * 2 ** 20;
const COUNT_MAX = 10_000;

export class ModuleCache {
  readonly #store: Pick<ModuleStore, 'hasChanged'>;
  readonly #loaded = new Map<string, LoadedModule>();
  #bytes = 0;
  #cleared = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(store: Pick<ModuleStore, 'hasChanged'>) {
    this.#store = store;
  }

  /** @throws STORE_UNUSABLE where it can no longer be known whether it may be executed */
  get(reference: string): LoadedModule | undefined {
    const now = performance.now();
    if (now - this.#lookedAt > LOOK_MS) {
      // Not before: what cannot be looked at is asked for again by the next.
      const changed = this.#store.hasChanged();
      this.#lookedAt = now;
      if (changed) this.clear();
    }
    const loaded = this.#loaded.get(reference);
    if (loaded === undefined || Date.now() < loaded.untilMs) return loaded;
    // A signer may have been revoked, a waiver may have ended.
    this.#bytes -= loaded.manifest.codeBytes;
    this.#loaded.delete(reference);
    return undefined;
  }

  clear(): void {
    this.#cleared++;
    this.#bytes = 0;
    this.#loaded.clear();
  }

  /** For {@link put}: what was read before something changed is not kept. */
  mark(): number {
    return this.#cleared;
  }

  put(reference: string, module: LoadedModule, mark: number): void {
    if (mark !== this.#cleared || this.#loaded.has(reference)) return;
    const { codeBytes } = module.manifest;
    if (this.#bytes + codeBytes > BYTES_MAX || this.#loaded.size >= COUNT_MAX) this.clear();
    this.#bytes += codeBytes;
    this.#loaded.set(reference, module);
  }
}
