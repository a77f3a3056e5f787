/** API keys, in the database of a service. */
import type { Database, Row } from './database.ts';
import {
  type ApiKeyRecord,
  apiKeyRecordSchema,
  type KeyStore,
  type StoredKey,
} from './key-record.ts';

export class SqliteKeyStore implements KeyStore {
  readonly #database: Database;
  readonly #revise: () => void;

  /** @param revise called in the transaction of each change */
  constructor(database: Database, revise: () => void) {
    this.#database = database;
    this.#revise = revise;
  }

  async add(
    record: ApiKeyRecord,
    most?: { readonly keys: number; readonly nowMs: number },
  ): Promise<'added' | 'exists' | 'full'> {
    const { id, tenant } = record;
    return this.#database.transaction(() => {
      if (most !== undefined && this.#count(tenant, most.nowMs) >= most.keys) return 'full';
      const added = this.#database.write(
        `INSERT INTO key (id, tenant, ends_ms, record) VALUES ($id, $tenant, $endsMs, $record)
         ON CONFLICT DO NOTHING`,
        { id, tenant, endsMs: endOf(record), record: JSON.stringify(record) },
      );
      if (added === 0) return 'exists';
      this.#revise();
      return 'added';
    });
  }

  async get(id: string): Promise<StoredKey | undefined> {
    const [row] = this.#database.read('SELECT used_ms, record FROM key WHERE id = $id', { id });
    return row === undefined ? undefined : this.#key(row);
  }

  async list(
    filter: { readonly tenant?: string; readonly limit?: number; readonly after?: string } = {},
  ): Promise<StoredKey[]> {
    const rows = this.#database.read(
      `SELECT used_ms, record FROM key
       WHERE ($tenant IS NULL OR tenant = $tenant) AND id > $after ORDER BY id LIMIT $limit`,
      { tenant: filter.tenant ?? null, after: filter.after ?? '', limit: filter.limit ?? -1 },
    );
    return rows.map((row) => this.#key(row));
  }

  async count(tenant: string, nowMs: number): Promise<number> {
    return this.#count(tenant, nowMs);
  }

  async update(
    tenant: string,
    id: string,
    change: (record: ApiKeyRecord) => ApiKeyRecord,
  ): Promise<StoredKey | undefined> {
    return this.#database.transaction(() => {
      const [row] = this.#database.read(
        'SELECT used_ms, record FROM key WHERE id = $id AND tenant = $tenant',
        { id, tenant },
      );
      if (row === undefined) return undefined;
      const before = this.#key(row);
      const record: ApiKeyRecord = { ...change(before.record), id, tenant };
      this.#database.write('UPDATE key SET ends_ms = $endsMs, record = $record WHERE id = $id', {
        id,
        endsMs: endOf(record),
        record: JSON.stringify(record),
      });
      this.#revise();
      return { ...before, record };
    });
  }

  async touch(uses: Iterable<readonly [id: string, atMs: number]>): Promise<void> {
    this.#database.transaction(() => {
      for (const [id, atMs] of uses) {
        this.#database.write(
          'UPDATE key SET used_ms = max(coalesce(used_ms, 0), $atMs) WHERE id = $id',
          { id, atMs },
        );
      }
    });
  }

  #count(tenant: string, nowMs: number): number {
    const [row] = this.#database.read(
      `SELECT count(*) AS keys FROM key
       WHERE tenant = $tenant AND (ends_ms IS NULL OR ends_ms > $nowMs)`,
      { tenant, nowMs },
    );
    return Number(row?.keys);
  }

  #key(row: Row): StoredKey {
    const record = this.#database.record(apiKeyRecordSchema, row);
    return row.used_ms === null ? { record } : { record, lastUsedMs: Number(row.used_ms) };
  }
}

/** From when on it is good for nothing. */
function endOf({ revoked, expiresMs }: ApiKeyRecord): number | null {
  return revoked === undefined ? (expiresMs ?? null) : 0;
}
