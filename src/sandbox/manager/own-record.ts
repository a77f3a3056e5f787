/**
 * What a manager writes down of itself: its process, and the launchers that whoever finds it dead has to look for.
 */
import { CaissonError } from '../../core/error.ts';
import { identityOf, ownWorld, type ProcessIdentity } from '../../host/process-identity.ts';
import type { ManagedStore } from '../../store/managed-record.ts';
import type { ManagerHost } from './manager-host.ts';

export class OwnRecord {
  readonly #id: string;
  readonly #openedMs: number;
  readonly #store: ManagedStore;
  readonly #launchersNow: ManagerHost['launchers'];
  #launchers: readonly ProcessIdentity[] = [];

  constructor(id: string, openedMs: number, store: ManagedStore, host: ManagerHost) {
    this.#id = id;
    this.#openedMs = openedMs;
    this.#store = store;
    this.#launchersNow = () => host.launchers();
  }

  /** @throws STORE_UNUSABLE */
  async write(): Promise<void> {
    this.#launchers = this.#launchersNow().flatMap((pid) => identityOf(pid) ?? []);
    const own = identityOf(process.pid);
    if (own === undefined) throw new CaissonError('INTERNAL', { layer: 'sandbox' });
    await this.#store.putManager({
      id: this.#id,
      process: own,
      ...ownWorld(),
      launchers: [...this.#launchers],
      openedMs: this.#openedMs,
    });
  }

  /** Where a launcher came or went since it was written. */
  update(): void {
    const now = this.#launchersNow();
    const known = this.#launchers;
    if (now.length === known.length && now.every((pid, i) => pid === known[i]?.pid)) return;
    // It is written before the next one; a launcher that nobody has written down ends with us all the same.
    this.write().catch(() => {});
  }
}
