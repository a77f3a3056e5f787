/** Snapshots that are kept for callers, each for its own tenant alone, until they are discarded or the service ends. */
import { CaissonError } from '../core/error.ts';
import type { ManagedSnapshot } from '../sandbox/manager/managed-sandbox.ts';
import type { About, Ending } from './served-sandboxes.ts';

export interface KeptSnapshot {
  readonly tenant: string;
  readonly snapshot: ManagedSnapshot;
  /** What it was taken of. */
  readonly sandbox: string;
  readonly policyDigest: string;
  readonly createdMs: number;
  readonly about: About;
  /** Done when it is discarded. */
  readonly ending: Ending;
}

/** Whatever its quota says: each is a directory of copies. */
const MOST_PER_TENANT = 256;

export class ServedSnapshots {
  readonly #kept = new Map<string, KeptSnapshot>();
  /** Asked for, and not there yet, by tenant. */
  readonly #taking = new Map<string, number>();
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;

  /**
   * Has its place from the beginning on, so that none comes between.
   *
   * @param take what is kept from then on
   * @throws QUOTA_EXCEEDED, and what `take` throws: it has no place then
   */
  async keep(tenant: string, take: () => Promise<KeptSnapshot>): Promise<KeptSnapshot> {
    const taking = this.#taking.get(tenant) ?? 0;
    this.#requireRoom(tenant, this.list(tenant).length + taking);
    this.#taking.set(tenant, taking + 1);
    const coming = this.#take(take);
    this.#underWay.add(coming);
    try {
      return await coming;
    } finally {
      this.#underWay.delete(coming);
      const left = (this.#taking.get(tenant) ?? 1) - 1;
      if (left > 0) this.#taking.set(tenant, left);
      else this.#taking.delete(tenant);
    }
  }

  async #take(take: () => Promise<KeptSnapshot>): Promise<KeptSnapshot> {
    const kept = await take();
    this.#kept.set(kept.snapshot.id, kept);
    if (!this.#isClosed) return kept;
    await this.#discard(kept);
    throw new CaissonError('DRAINING', { layer: 'server' });
  }

  #requireRoom(tenant: string, used: number): void {
    if (used < MOST_PER_TENANT) return;
    throw new CaissonError('QUOTA_EXCEEDED', {
      layer: 'server',
      message: `${tenant} keeps ${used} snapshots, and may keep no more`,
      hint: 'DELETE /api/snapshots/{id} discards one',
      details: { quota: 'snapshots', limit: MOST_PER_TENANT, used },
    });
  }

  /** @throws NOT_FOUND, also for another tenant’s */
  get(tenant: string, id: string): KeptSnapshot {
    const kept = this.#kept.get(id);
    if (kept?.tenant === tenant) return kept;
    throw new CaissonError('NOT_FOUND', {
      layer: 'server',
      message: `there is no snapshot ${id}`,
      hint: 'GET /api/snapshots lists those that are kept',
    });
  }

  /** In the order of their ids. */
  list(tenant: string): KeptSnapshot[] {
    return [...this.#kept.values()]
      .filter((kept) => kept.tenant === tenant)
      .sort((a, b) => (a.snapshot.id < b.snapshot.id ? -1 : 1));
  }

  /** @throws NOT_FOUND, also for another tenant’s */
  async discard(tenant: string, id: string): Promise<void> {
    await this.#discard(this.get(tenant, id));
  }

  /** All of them, also those that are being taken. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#underWay);
    await Promise.all([...this.#kept.values()].map((kept) => this.#discard(kept)));
  }

  async #discard({ snapshot, ending }: KeptSnapshot): Promise<void> {
    if (!this.#kept.delete(snapshot.id)) return;
    try {
      await snapshot.discard();
    } finally {
      await ending();
    }
  }
}
