/**
 * Registered modules, in one SQLite file that any number of processes share. Code is addressed by its content: versions
 * and modules with the same code share it.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Database, type Migrations, type Row } from './database.ts';
import {
  type ExecutionCounts,
  executionCountsSchema,
  type FoundModule,
  type ModuleName,
  type ModuleRecord,
  type ModuleStore,
  moduleRecordSchema,
  type StoredModule,
} from './module-record.ts';

/** "CAIM" */
const APPLICATION_ID = 0x4341494d;

/** `revision` counts what concerns others: counts of executions do not. */
const MIGRATIONS: Migrations = [
  `CREATE TABLE revision (only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL) STRICT;
   INSERT INTO revision VALUES (1, 0);
   CREATE TABLE content (digest TEXT NOT NULL UNIQUE, code BLOB NOT NULL) STRICT;
   CREATE TABLE module (
     id TEXT NOT NULL,
     version TEXT NOT NULL,
     digest TEXT NOT NULL,
     identity TEXT NOT NULL,
     enabled INTEGER NOT NULL,
     record TEXT NOT NULL,
     PRIMARY KEY (id, version)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX module_digest ON module (digest);
   CREATE TABLE removed (
     id TEXT NOT NULL,
     version TEXT NOT NULL,
     identity TEXT NOT NULL,
     PRIMARY KEY (id, version)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE counts (
     id TEXT NOT NULL,
     version TEXT NOT NULL,
     record TEXT NOT NULL,
     PRIMARY KEY (id, version)
   ) STRICT, WITHOUT ROWID;`,
  // What was said at registration was a word, and is a report.
  `UPDATE module
   SET record = json_set(
     record, '$.admission', json_object('decision', json_extract(record, '$.admission'))
   )
   WHERE json_type(record, '$.admission') = 'text';`,
];

export class SqliteModuleStore implements ModuleStore {
  readonly #database: Database;
  readonly #file: string;
  #othersVersion: number;
  #revision: number;

  private constructor(database: Database) {
    this.#database = database;
    this.#file = identityOf(database.path);
    this.#othersVersion = database.othersVersion;
    this.#revision = this.#readRevision();
  }

  static fileIn(stateDirectory: string): string {
    return join(stateDirectory, 'modules.db');
  }

  /** @param path of the file, made where it is missing @throws STORE_UNUSABLE */
  static open(path: string, readOnly = false): SqliteModuleStore {
    const database = new Database({
      path,
      migrations: MIGRATIONS,
      readOnly,
      applicationId: APPLICATION_ID,
      lost: 'the modules that are registered in it have to be registered again',
    });
    return new SqliteModuleStore(database);
  }

  async find(name: ModuleName, identity: string): Promise<FoundModule> {
    return this.#find(name, identity);
  }

  async add(record: ModuleRecord, code: Uint8Array, identity: string): Promise<FoundModule> {
    const { id, version, digest } = record.manifest;
    return this.#database.transaction(() => {
      const found = this.#find({ id, version }, identity);
      if (found.result !== 'absent') return found;
      this.#database.write('DELETE FROM removed WHERE id = $id AND version = $version', {
        id,
        version,
      });
      this.#database.write(
        'INSERT INTO content (digest, code) VALUES ($digest, $code) ON CONFLICT DO NOTHING',
        { digest, code },
      );
      this.#database.write(
        `INSERT INTO module (id, version, digest, identity, enabled, record)
         VALUES ($id, $version, $digest, $identity, 1, $record)`,
        { id, version, digest, identity, record: JSON.stringify(record) },
      );
      this.#revise();
      return { result: 'added', stored: { record, enabled: true } };
    });
  }

  async get(name: ModuleName): Promise<StoredModule | undefined> {
    return this.#get(name);
  }

  async code(digest: string): Promise<Uint8Array | undefined> {
    const [row] = this.#database.read('SELECT code FROM content WHERE digest = $digest', {
      digest,
    });
    if (row === undefined) return undefined;
    const code = row.code as Uint8Array;
    if (createHash('sha256').update(code).digest('hex') === digest) return code;
    throw this.#database.damaged(`the code with the digest ${digest} has another one`);
  }

  async list(id?: string): Promise<StoredModule[]> {
    const rows = this.#database.read(
      'SELECT enabled, record FROM module WHERE $id IS NULL OR id = $id ORDER BY id, version',
      { id: id ?? null },
    );
    return rows.map((row) => this.#stored(row));
  }

  async enable({ id, version }: ModuleName, enabled: boolean): Promise<boolean> {
    return this.#database.transaction(() => {
      const found = this.#database.write(
        'UPDATE module SET enabled = $enabled WHERE id = $id AND version = $version',
        { id, version, enabled: Number(enabled) },
      );
      if (found > 0) this.#revise();
      return found > 0;
    });
  }

  async remove({ id, version }: ModuleName): Promise<boolean> {
    return this.#database.transaction(() => {
      const [row] = this.#database.read(
        'DELETE FROM module WHERE id = $id AND version = $version RETURNING digest, identity',
        { id, version },
      );
      if (row === undefined) return false;
      const digest = String(row.digest);
      this.#database.write(
        'INSERT INTO removed (id, version, identity) VALUES ($id, $version, $identity)',
        { id, version, identity: String(row.identity) },
      );
      this.#database.write('DELETE FROM counts WHERE id = $id AND version = $version', {
        id,
        version,
      });
      this.#database.write(
        `DELETE FROM content WHERE digest = $digest
         AND NOT EXISTS (SELECT 1 FROM module WHERE digest = $digest)`,
        { digest },
      );
      this.#revise();
      return true;
    });
  }

  async counts(name: ModuleName): Promise<ExecutionCounts | undefined> {
    return this.#counts(name);
  }

  addCounts(
    counts: readonly (ModuleName & { readonly counts: ExecutionCounts })[],
    merge: (a: ExecutionCounts, b: ExecutionCounts) => ExecutionCounts,
  ): boolean {
    return this.#database.tryTransaction(() => {
      for (const { id, version, counts: more } of counts) {
        const earlier = this.#counts({ id, version });
        const record = JSON.stringify(earlier === undefined ? more : merge(earlier, more));
        this.#database.write(
          `INSERT INTO counts (id, version, record)
           SELECT $id, $version, $record
           WHERE EXISTS (SELECT 1 FROM module WHERE id = $id AND version = $version)
           ON CONFLICT (id, version) DO UPDATE SET record = excluded.record`,
          { id, version, record },
        );
      }
    });
  }

  hasChanged(): boolean {
    if (identityOf(this.#database.path) !== this.#file) {
      throw this.#database.damaged('the file was taken away while it was in use');
    }
    const version = this.#database.othersVersion;
    if (version === this.#othersVersion) return false;
    this.#othersVersion = version;
    const revision = this.#readRevision();
    const changed = revision !== this.#revision;
    this.#revision = revision;
    return changed;
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #find(name: ModuleName, identity: string): FoundModule {
    const { id, version } = name;
    const [known] = this.#database.read(
      `SELECT identity FROM module WHERE id = $id AND version = $version
       UNION ALL SELECT identity FROM removed WHERE id = $id AND version = $version`,
      { id, version },
    );
    if (known !== undefined && known.identity !== identity) return { result: 'differs' };
    const stored = this.#get(name);
    return stored === undefined ? { result: 'absent' } : { result: 'exists', stored };
  }

  #get({ id, version }: ModuleName): StoredModule | undefined {
    const [row] = this.#database.read(
      'SELECT enabled, record FROM module WHERE id = $id AND version = $version',
      { id, version },
    );
    return row === undefined ? undefined : this.#stored(row);
  }

  #counts({ id, version }: ModuleName): ExecutionCounts | undefined {
    const [row] = this.#database.read(
      'SELECT record FROM counts WHERE id = $id AND version = $version',
      { id, version },
    );
    return row === undefined ? undefined : this.#database.record(executionCountsSchema, row);
  }

  #stored(row: Row): StoredModule {
    return { record: this.#database.record(moduleRecordSchema, row), enabled: row.enabled === 1 };
  }

  #revise(): void {
    this.#database.write('UPDATE revision SET number = number + 1');
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
