/** Policies by name and version, in the database of a service. */
import type { Database, Row } from './database.ts';
import {
  type AddedPolicy,
  type PolicyStore,
  type StoredPolicy,
  storedPolicySchema,
} from './policy-record.ts';

export class SqlitePolicyStore implements PolicyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(
    policy: Omit<StoredPolicy, 'version'>,
    options: { readonly ifVersion?: number | null } = {},
  ): Promise<AddedPolicy> {
    const { tenant, name, digest } = policy;
    return this.#database.transaction((): AddedPolicy => {
      const latest = this.#get(tenant, name);
      const { ifVersion } = options;
      if (ifVersion !== undefined && ifVersion !== (latest?.version ?? null)) {
        return { result: 'differs', ...(latest === undefined ? {} : { stored: latest }) };
      }
      if (latest !== undefined && isSame(latest, policy)) return { result: 'same', stored: latest };
      const [row] = this.#database.read(
        `INSERT INTO policy_name (tenant, name, latest, used) VALUES ($tenant, $name, 1, 1)
         ON CONFLICT (tenant, name) DO UPDATE SET latest = used + 1, used = used + 1
         RETURNING latest`,
        { tenant, name },
      );
      const stored: StoredPolicy = { ...policy, version: Number(row?.latest) };
      this.#database.write(
        `INSERT INTO policy (tenant, name, version, digest, record)
         VALUES ($tenant, $name, $version, $digest, $record)`,
        { tenant, name, version: stored.version, digest, record: JSON.stringify(stored) },
      );
      return { result: 'added', stored };
    });
  }

  async get(tenant: string, name: string, version?: number): Promise<StoredPolicy | undefined> {
    return this.#get(tenant, name, version);
  }

  async list(
    tenant: string,
    page: { readonly limit?: number; readonly after?: string } = {},
  ): Promise<StoredPolicy[]> {
    const rows = this.#database.read(
      `SELECT record FROM policy_name
       JOIN policy USING (tenant, name)
       WHERE tenant = $tenant AND name > $after AND version = latest ORDER BY name LIMIT $limit`,
      { tenant, after: page.after ?? '', limit: page.limit ?? -1 },
    );
    return rows.map((row) => this.#policy(row));
  }

  async versions(
    tenant: string,
    name: string,
    page: { readonly limit?: number; readonly before?: number } = {},
  ): Promise<StoredPolicy[]> {
    const rows = this.#database.read(
      `SELECT record FROM policy
       WHERE tenant = $tenant AND name = $name AND ($before IS NULL OR version < $before)
       ORDER BY version DESC LIMIT $limit`,
      { tenant, name, before: page.before ?? null, limit: page.limit ?? -1 },
    );
    return rows.map((row) => this.#policy(row));
  }

  async remove(
    tenant: string,
    name: string,
    options: { readonly ifVersion?: number } = {},
  ): Promise<'removed' | 'absent' | 'differs'> {
    return this.#database.transaction(() => {
      const latest = this.#get(tenant, name);
      if (latest === undefined) return 'absent';
      const { ifVersion = latest.version } = options;
      if (ifVersion !== latest.version) return 'differs';
      const at = { tenant, name };
      this.#database.write('DELETE FROM policy WHERE tenant = $tenant AND name = $name', at);
      this.#database.write(
        'UPDATE policy_name SET latest = NULL WHERE tenant = $tenant AND name = $name',
        at,
      );
      return 'removed';
    });
  }

  async count(tenant: string): Promise<number> {
    const [row] = this.#database.read(
      'SELECT count(*) AS versions FROM policy WHERE tenant = $tenant',
      { tenant },
    );
    return Number(row?.versions);
  }

  #get(tenant: string, name: string, version?: number): StoredPolicy | undefined {
    const [row] = this.#database.read(
      `SELECT record FROM policy WHERE tenant = $tenant AND name = $name
       AND ($version IS NULL OR version = $version) ORDER BY version DESC LIMIT 1`,
      { tenant, name, version: version ?? null },
    );
    return row === undefined ? undefined : this.#policy(row);
  }

  #policy(row: Row): StoredPolicy {
    return this.#database.record(storedPolicySchema, row);
  }
}

/** Two documents that mean the same are written in more than one way: what was written last is kept. */
function isSame(a: StoredPolicy, b: Omit<StoredPolicy, 'version'>): boolean {
  return a.digest === b.digest && JSON.stringify(a.document) === JSON.stringify(b.document);
}
