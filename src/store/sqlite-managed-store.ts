/**
 * Managers and sandboxes of this user on this machine, in one SQLite file that all managers share.
 */
import { join } from 'node:path';
import { Database, type Migrations } from './database.ts';
import {
  type ManagedRecord,
  type ManagedStore,
  type ManagerRecord,
  managedRecordSchema,
  managerRecordSchema,
} from './managed-record.ts';

const MIGRATIONS: Migrations = [
  `CREATE TABLE manager (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE sandbox (
     id TEXT PRIMARY KEY,
     manager TEXT NOT NULL REFERENCES manager (id) ON DELETE CASCADE,
     live INTEGER NOT NULL,
     record TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX sandbox_live ON sandbox (manager, live, id);`,
];

const LIVE: readonly string[] = ['Initializing', 'Running', 'Paused'];

/** What nobody waits for waits so long for company: of a short run only the last of its states is ever written. */
const SOON_MS = 10;

/** The next transaction, and what it waits for. */
interface Flush extends PromiseWithResolvers<void> {
  turn?: NodeJS.Immediate;
  timer?: NodeJS.Timeout;
}

export class SqliteManagedStore implements ManagedStore {
  readonly #database: Database;
  /** Written together, in one transaction: hundreds of sandboxes change their state in one turn of the loop. */
  readonly #pending = new Map<string, ManagedRecord>();
  #flush: Flush | undefined;

  private constructor(database: Database) {
    this.#database = database;
  }

  static fileIn(stateDirectory: string): string {
    return join(stateDirectory, 'sandboxes.db');
  }

  /**
   * @param stateDirectory 0700, its owner's
   * @throws STORE_UNUSABLE
   */
  static open(stateDirectory: string, readOnly = false): SqliteManagedStore {
    const path = SqliteManagedStore.fileIn(stateDirectory);
    return new SqliteManagedStore(new Database({ path, migrations: MIGRATIONS, readOnly }));
  }

  async putManager(manager: ManagerRecord): Promise<void> {
    this.#database.write(
      `INSERT INTO manager (id, record) VALUES ($id, $record)
       ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
      { id: manager.id, record: JSON.stringify(manager) },
    );
  }

  async removeManager(id: string): Promise<void> {
    this.#writePending();
    this.#database.write('DELETE FROM manager WHERE id = $id', { id });
  }

  async managers(): Promise<ManagerRecord[]> {
    const rows = this.#database.read('SELECT record FROM manager ORDER BY id');
    return rows.map((row) => this.#database.record(managerRecordSchema, row));
  }

  put(record: ManagedRecord): Promise<void> {
    const flush = this.#await(record);
    flush.turn ??= setImmediate(() => this.#flushNow());
    return flush.promise;
  }

  putSoon(record: ManagedRecord): Promise<void> {
    const flush = this.#await(record);
    flush.timer ??= setTimeout(() => this.#flushNow(), SOON_MS);
    return flush.promise;
  }

  #await(record: ManagedRecord): Flush {
    this.#pending.set(record.id, record);
    this.#flush ??= Promise.withResolvers<void>();
    return this.#flush;
  }

  async list(
    filter: { readonly manager?: string; readonly live?: boolean } = {},
  ): Promise<ManagedRecord[]> {
    this.#writePending();
    const rows = this.#database.read(
      `SELECT record FROM sandbox
       WHERE ($manager IS NULL OR manager = $manager) AND ($live IS NULL OR live = $live) ORDER BY id`,
      {
        manager: filter.manager ?? null,
        live: filter.live === undefined ? null : Number(filter.live),
      },
    );
    return rows.map((row) => this.#database.record(managedRecordSchema, row));
  }

  async prune(manager: string, keep: number): Promise<void> {
    this.#writePending();
    this.#database.write(
      `DELETE FROM sandbox WHERE manager = $manager AND live = 0 AND id <= (
         SELECT id FROM sandbox WHERE manager = $manager AND live = 0
         ORDER BY id DESC LIMIT 1 OFFSET $keep)`,
      { manager, keep },
    );
  }

  async close(): Promise<void> {
    this.#flushNow();
    this.#database.close();
  }

  /** Whoever waits is told. */
  #flushNow(): void {
    try {
      this.#writePending();
    } catch {
      // Told to those who wait.
    }
  }

  /** @throws STORE_UNUSABLE */
  #writePending(): void {
    const flush = this.#flush;
    if (flush === undefined) return;
    this.#flush = undefined;
    clearImmediate(flush.turn);
    clearTimeout(flush.timer);
    const records = [...this.#pending.values()];
    this.#pending.clear();
    try {
      this.#database.transaction(() => {
        for (const record of records) this.#write(record);
      });
      flush.resolve();
    } catch (error) {
      flush.reject(error);
      throw error;
    }
  }

  #write(record: ManagedRecord): void {
    this.#database.write(
      `INSERT INTO sandbox (id, manager, live, record) VALUES ($id, $manager, $live, $record)
       ON CONFLICT (id) DO UPDATE SET live = excluded.live, record = excluded.record`,
      {
        id: record.id,
        manager: record.manager,
        live: LIVE.includes(record.state) ? 1 : 0,
        record: JSON.stringify(record),
      },
    );
  }
}
