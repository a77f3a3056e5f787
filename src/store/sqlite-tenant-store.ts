/** Tenants, in the database of a service. */
import type { Database, Row } from './database.ts';
import { type TenantRecord, type TenantStore, tenantRecordSchema } from './tenant-record.ts';

export class SqliteTenantStore implements TenantStore {
  readonly #database: Database;
  readonly #revise: () => void;

  /** @param revise called in the transaction of each change */
  constructor(database: Database, revise: () => void) {
    this.#database = database;
    this.#revise = revise;
  }

  async add(record: TenantRecord): Promise<boolean> {
    return this.#database.transaction(() => {
      const { id } = record;
      const added = this.#database.write(
        'INSERT INTO tenant (id, record) VALUES ($id, $record) ON CONFLICT DO NOTHING',
        { id, record: JSON.stringify(record) },
      );
      if (added > 0) this.#revise();
      return added > 0;
    });
  }

  async get(id: string): Promise<TenantRecord | undefined> {
    return this.#get(id);
  }

  async list(
    page: { readonly limit?: number; readonly after?: string } = {},
  ): Promise<TenantRecord[]> {
    const rows = this.#database.read(
      'SELECT record FROM tenant WHERE id > $after ORDER BY id LIMIT $limit',
      { after: page.after ?? '', limit: page.limit ?? -1 },
    );
    return rows.map((row) => this.#tenant(row));
  }

  async update(
    id: string,
    change: (record: TenantRecord) => TenantRecord,
  ): Promise<TenantRecord | undefined> {
    return this.#database.transaction(() => {
      const before = this.#get(id);
      if (before === undefined) return undefined;
      const record: TenantRecord = { ...change(before), id };
      this.#database.write('UPDATE tenant SET record = $record WHERE id = $id', {
        id,
        record: JSON.stringify(record),
      });
      this.#revise();
      return record;
    });
  }

  #get(id: string): TenantRecord | undefined {
    const [row] = this.#database.read('SELECT record FROM tenant WHERE id = $id', { id });
    return row === undefined ? undefined : this.#tenant(row);
  }

  #tenant(row: Row): TenantRecord {
    return this.#database.record(tenantRecordSchema, row);
  }
}
