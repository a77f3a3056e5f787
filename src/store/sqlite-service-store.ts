/** Keys, tenants, policies and idempotency records of a service, in one SQLite file: `service.db` in its state directory. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Database, type Migrations } from './database.ts';
import type { ServiceStore } from './service-store.ts';
import { SqliteIdempotencyStore } from './sqlite-idempotency-store.ts';
import { SqliteKeyStore } from './sqlite-key-store.ts';
import { SqlitePolicyStore } from './sqlite-policy-store.ts';
import { SqliteTenantStore } from './sqlite-tenant-store.ts';

/** "CAIV" */
const APPLICATION_ID = 0x43414956;

/**
 * `revision` counts changes of keys and tenants: the service holds those in memory. The last number of a policy stays when
 * it is removed. What idempotency records take is counted by triggers, so that it is never reckoned anew.
 */
const MIGRATIONS: Migrations = [
  `CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL) STRICT;
   INSERT INTO revision VALUES (1, 0);
   CREATE TABLE tenant (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE key (
     id TEXT PRIMARY KEY,
     tenant TEXT NOT NULL,
     ends_ms INTEGER,
     used_ms INTEGER,
     record TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX key_tenant ON key (tenant, id);
   CREATE TABLE policy (
     tenant TEXT NOT NULL,
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     digest TEXT NOT NULL,
     record TEXT NOT NULL,
     PRIMARY KEY (tenant, name, version)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE policy_name (
     tenant TEXT NOT NULL,
     name TEXT NOT NULL,
     latest INTEGER,
     used INTEGER NOT NULL,
     PRIMARY KEY (tenant, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE answer (
     tenant TEXT NOT NULL,
     route TEXT NOT NULL,
     key TEXT NOT NULL,
     digest TEXT NOT NULL,
     state TEXT NOT NULL,
     owner TEXT NOT NULL,
     expires_ms INTEGER NOT NULL,
     status INTEGER,
     headers TEXT,
     omitted INTEGER NOT NULL DEFAULT 0,
     body BLOB,
     PRIMARY KEY (tenant, route, key)
   ) STRICT;
   CREATE INDEX answer_expires ON answer (expires_ms);
   CREATE INDEX answer_running ON answer (owner) WHERE state = 'running';
   CREATE TABLE answer_total (
     tenant TEXT PRIMARY KEY,
     records INTEGER NOT NULL,
     bytes INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TRIGGER answer_added AFTER INSERT ON answer BEGIN
     INSERT INTO answer_total VALUES (new.tenant, 1, coalesce(length(new.body), 0))
     ON CONFLICT (tenant) DO UPDATE SET records = records + 1, bytes = bytes + excluded.bytes;
   END;
   CREATE TRIGGER answer_changed AFTER UPDATE OF body ON answer BEGIN
     UPDATE answer_total SET
       bytes = bytes + coalesce(length(new.body), 0) - coalesce(length(old.body), 0)
     WHERE tenant = new.tenant;
   END;
   CREATE TRIGGER answer_removed AFTER DELETE ON answer BEGIN
     UPDATE answer_total SET records = records - 1, bytes = bytes - coalesce(length(old.body), 0)
     WHERE tenant = old.tenant;
   END;`,
];

/** What others have changed is seen so much later at most: looking takes longer than the rest of letting somebody in. */
const LOOK_EVERY_MS = 5;

export class SqliteServiceStore implements ServiceStore {
  readonly keys: SqliteKeyStore;
  readonly tenants: SqliteTenantStore;
  readonly policies: SqlitePolicyStore;
  readonly idempotency: SqliteIdempotencyStore;
  readonly #database: Database;
  readonly #file: string;
  #othersVersion: number;
  #revision: number;
  #lookedMs = Number.NEGATIVE_INFINITY;

  private constructor(database: Database) {
    this.#database = database;
    const revise = (): void => {
      database.write('UPDATE revision SET number = number + 1');
      this.#revision = -1;
    };
    this.keys = new SqliteKeyStore(database, revise);
    this.tenants = new SqliteTenantStore(database, revise);
    this.policies = new SqlitePolicyStore(database);
    this.idempotency = new SqliteIdempotencyStore(database);
    this.#file = identityOf(database.path);
    this.#othersVersion = database.othersVersion;
    this.#revision = this.#readRevision();
  }

  static fileIn(stateDirectory: string): string {
    return join(stateDirectory, 'service.db');
  }

  /** @param path of the file, made where it is missing @throws STORE_UNUSABLE */
  static open(path: string, readOnly = false): SqliteServiceStore {
    const database = new Database({
      path,
      migrations: MIGRATIONS,
      readOnly,
      applicationId: APPLICATION_ID,
      lost: 'its API keys are then good for nothing, and tenants and stored policies are gone',
    });
    return new SqliteServiceStore(database);
  }

  revision(): number {
    const nowMs = performance.now();
    if (this.#revision >= 0 && nowMs - this.#lookedMs < LOOK_EVERY_MS) return this.#revision;
    this.#lookedMs = nowMs;
    if (identityOf(this.#database.path) !== this.#file) {
      throw this.#database.damaged('the file was taken away while it was in use');
    }
    const version = this.#database.othersVersion;
    if (version !== this.#othersVersion || this.#revision < 0) {
      this.#othersVersion = version;
      this.#revision = this.#readRevision();
    }
    return this.#revision;
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #readRevision(): number {
    return Number(this.#database.read('SELECT number FROM revision')[0]?.number);
  }
}

/** Another file under the same name is not the one that is open. */
function identityOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 'gone' : `${stat.dev}:${stat.ino}`;
}
