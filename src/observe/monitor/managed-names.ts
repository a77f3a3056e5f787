/**
 * Names of the sandboxes that managers of this user run, in whatever process: what they wrote down, found by the init of
 * each. Read only; whoever has no such file has no names.
 */
import { statSync } from 'node:fs';
import { ownWorld } from '../../host/process-identity.ts';
import type { ManagedRecord } from '../../store/managed-record.ts';
import { SqliteManagedStore } from '../../store/sqlite-managed-store.ts';

/** What a manager calls it. As its caller chose it: not to be shown unchecked. */
export interface ManagedName {
  /** UUIDv7, as `caisson ps` shows it. */
  readonly id: string;
  readonly kind: ManagedRecord['kind'];
  readonly state: ManagedRecord['state'];
  /** Empty: nobody was named. */
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  /** In audit, events and live usage. */
  readonly sandbox?: string;
}

export class ManagedNames {
  readonly #state: string;
  readonly #here = ownWorld();
  #names: ReadonlyMap<string, ManagedName> = new Map();
  #store: SqliteManagedStore | undefined;

  /** @param stateDirectory of the managers */
  constructor(stateDirectory: string) {
    this.#state = stateDirectory;
  }

  /** Of a process by its number and start, clock ticks since boot; as of the last {@link refresh}. */
  of(pid: number, startTime: string): ManagedName | undefined {
    return this.#names.get(`${pid} ${startTime}`);
  }

  /** @throws STORE_UNUSABLE */
  async refresh(): Promise<void> {
    this.#store ??= this.#open();
    if (this.#store === undefined) return;
    const managers = await this.#store.managers();
    const near = new Set(
      managers
        .filter(({ bootId, pidNamespace }) => {
          return bootId === this.#here.bootId && pidNamespace === this.#here.pidNamespace;
        })
        .map(({ id }) => id),
    );
    const names = new Map<string, ManagedName>();
    for (const record of await this.#store.list({ live: true })) {
      const { id, kind, state, tenant, labels, sandbox, process, manager } = record;
      if (process === undefined || !near.has(manager)) continue;
      const name = {
        id,
        kind,
        state,
        tenant,
        labels,
        ...(sandbox === undefined ? {} : { sandbox }),
      };
      names.set(`${process.pid} ${process.startTime}`, name);
    }
    this.#names = names;
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
  }

  #open(): SqliteManagedStore | undefined {
    const file = SqliteManagedStore.fileIn(this.#state);
    if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined;
    return SqliteManagedStore.open(this.#state, true);
  }
}
