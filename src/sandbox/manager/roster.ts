/**
 * What a manager knows: everything that is there, and what ended last.
 */
import { CaissonError } from '../../core/error.ts';
import type { ManagedStore } from '../../store/managed-record.ts';
import type { Entry } from './entry.ts';
import { type ManagedFilter, matches } from './managed-info.ts';

const PRUNE_EVERY = 256;

export class Roster {
  readonly #entries = new Map<string, Entry>();
  readonly #ended: string[] = [];
  readonly #keepEnded: number;
  readonly #prune: (keep: number) => Promise<void>;
  #ends = 0;

  /** @param keepEnded that many ended ones are still known, here and in the store */
  constructor(manager: string, store: ManagedStore, keepEnded: number) {
    this.#keepEnded = keepEnded;
    this.#prune = (keep) => store.prune(manager, keep);
  }

  add(entry: Entry): void {
    this.#entries.set(entry.id, entry);
  }

  find(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  /** @throws REQUEST_INVALID for an id that is not known (any more) */
  get(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `no sandbox ${id} is known here (any more)`,
      hint: 'list() shows what is',
    });
  }

  /** Oldest first. */
  matching(filter: ManagedFilter): Entry[] {
    return [...this.#entries.values()].filter((entry) => matches(entry, filter));
  }

  live(filter: ManagedFilter = {}): Entry[] {
    return this.matching(filter).filter(({ isFinal }) => !isFinal);
  }

  /** It has come to its end; whoever ended first is forgotten first. */
  ended(entry: Entry): void {
    this.#ended.push(entry.id);
    while (this.#ended.length > this.#keepEnded) this.#entries.delete(this.#ended.shift() ?? '');
    if (++this.#ends % PRUNE_EVERY === 0) this.#prune(this.#keepEnded).catch(() => {});
  }
}
