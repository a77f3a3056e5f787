/**
 * The one door to SQLite: a database that is ours, of a version that we know, readable by its owner alone.
 *
 * Write-ahead log, `synchronous=NORMAL`: what was committed survives the death of the process; what a power cut takes are
 * the last moments, and nothing of what they describe survives a power cut. A file that is not ours, is damaged, or was
 * written by a newer version is refused and left as it is: never made anew in silence.
 */

import { chmodSync, closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';

/** "CAIS": https://www.sqlite.org/pragma.html#pragma_application_id */
const APPLICATION_ID = 0x43414953;
const FILE_MODE = 0o600;
/** Another process that writes holds the lock for a millisecond; whoever waits that long has found a fault. */
const BUSY_TIMEOUT_MS = 5000;

/** SQL that takes a database from one version to the next; the version is how many have been done. Never edited, only added to. */
export type Migrations = readonly string[];

export type Row = Readonly<Record<string, unknown>>;

interface Schema<T> {
  safeParse(value: unknown): {
    readonly success: boolean;
    readonly data?: T;
    readonly error?: Error;
  };
}

export interface OpenDatabase {
  /** Path of the file; made where it is missing (not with `readOnly`), mode 0600. */
  readonly path: string;
  readonly migrations: Migrations;
  /** Default false. */
  readonly readOnly?: boolean;
  /** Tells one kind of our databases from another. */
  readonly applicationId?: number;
  /** What is gone with the file, for whoever is told to move it away. */
  readonly lost?: string;
}

export class Database {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #applicationId: number;
  readonly #moveAside: string;
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();

  /** @throws STORE_UNUSABLE: not a database, not ours, damaged, of a newer version, or not to be opened */
  constructor(options: OpenDatabase) {
    const { path, migrations, readOnly = false } = options;
    this.path = path;
    this.#applicationId = options.applicationId ?? APPLICATION_ID;
    this.#moveAside = `move ${path} away; ${options.lost ?? LOST}`;
    try {
      if (!readOnly) makeFile(path);
      this.#database = new DatabaseSync(path, { readOnly, timeout: BUSY_TIMEOUT_MS });
    } catch (cause) {
      throw unusable(
        path,
        'it cannot be opened',
        'look at its owner, its mode and the disk',
        cause,
      );
    }
    try {
      this.#check(migrations.length, readOnly);
      if (!readOnly) this.#migrate(migrations);
    } catch (cause) {
      this.#database.close();
      if (isCaissonError(cause)) throw cause;
      throw unusable(path, 'it is not a database or it is damaged', this.#moveAside, cause);
    }
  }

  /** @throws STORE_UNUSABLE when it cannot be written: a full disk, a file that was taken away */
  write(sql: string, values: Readonly<Record<string, SQLInputValue>> = {}): number {
    return this.#do(() => Number(this.#prepare(sql).run(values).changes));
  }

  read(sql: string, values: Readonly<Record<string, SQLInputValue>> = {}): Row[] {
    return this.#do(() => this.#prepare(sql).all(values));
  }

  /** What the column `record` holds as JSON. @throws STORE_UNUSABLE where that is not what was written */
  record<T>(schema: Schema<T>, { record }: Row): T {
    let value: unknown;
    let cause: unknown;
    try {
      value = JSON.parse(String(record));
    } catch (error) {
      cause = error;
    }
    const parsed = safeParse(schema, value);
    if (parsed.success) return parsed.data as T;
    throw this.damaged('it holds a record that cannot be read', cause ?? parsed.error);
  }

  /** @returns STORE_UNUSABLE, to be thrown */
  damaged(reason: string, cause?: unknown): CaissonError {
    return unusable(this.path, reason, this.#moveAside, cause);
  }

  /** All or nothing, with nobody else writing in between. */
  transaction<T>(run: () => T): T {
    this.#do(() => this.#database.exec('BEGIN IMMEDIATE'));
    try {
      const value = run();
      this.#do(() => this.#database.exec('COMMIT'));
      return value;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * As {@link transaction}, where nobody else is writing: this thread does not wait for them.
   *
   * @returns whether it was done
   */
  tryTransaction(run: () => void): boolean {
    this.#do(() => this.#database.exec('PRAGMA busy_timeout=0'));
    try {
      this.transaction(run);
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    } finally {
      this.#do(() => this.#database.exec(`PRAGMA busy_timeout=${BUSY_TIMEOUT_MS}`));
    }
  }

  /** Changes when somebody else has written (https://www.sqlite.org/pragma.html#pragma_data_version); takes microseconds. */
  get othersVersion(): number {
    return Number(this.read('PRAGMA data_version')[0]?.data_version);
  }

  /** Idempotent. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #check(known: number, readOnly: boolean): void {
    const { path } = this;
    const id = this.#pragma('application_id');
    const version = this.#pragma('user_version');
    const [{ tables } = { tables: 0 }] = this.#database
      .prepare('SELECT count(*) AS tables FROM sqlite_schema')
      .all() as { tables: number }[];
    const isEmpty = id === 0 && version === 0 && tables === 0;
    if (isEmpty && !readOnly) return;
    if (id !== this.#applicationId)
      throw unusable(path, 'it belongs to another program', this.#moveAside);
    if (version > known)
      throw unusable(
        path,
        `it was written by a newer Caisson (version ${version} of its tables, ${known} is known here)`,
        'use that Caisson, or another state directory (XDG_STATE_HOME)',
      );
    const [found] = this.#database.prepare('PRAGMA quick_check(1)').all();
    const word = found?.quick_check;
    if (word !== 'ok') throw unusable(path, `it is damaged: ${word}`, this.#moveAside);
  }

  #migrate(migrations: Migrations): void {
    // Refused on file systems without shared memory; then the rollback journal stays, which is slower and as safe.
    this.#database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL');
    for (const suffix of ['-wal', '-shm']) chmodIfThere(`${this.path}${suffix}`);
    if (this.#pragma('user_version') === migrations.length) return;
    this.transaction(() => {
      // Read again: somebody else may have done it while we waited for the lock.
      const done = this.#pragma('user_version');
      for (const sql of migrations.slice(done)) this.#database.exec(sql);
      this.#database.exec(
        `PRAGMA application_id=${this.#applicationId}; PRAGMA user_version=${migrations.length}`,
      );
    });
  }

  #pragma(name: 'application_id' | 'user_version'): number {
    return Number(this.#database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
  }

  #prepare(sql: string): ReturnType<DatabaseSync['prepare']> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #do<T>(run: () => T): T {
    try {
      return run();
    } catch (cause) {
      throw unusable(this.path, 'it cannot be read or written', 'look at the disk it is on', cause);
    }
  }
}

/** Made by us with its mode: SQLite would make it as the umask says. A link is not followed. */
function makeFile(path: string): void {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  const file = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, FILE_MODE);
  try {
    fchmodSync(file, FILE_MODE);
  } finally {
    closeSync(file);
  }
}

function chmodIfThere(path: string): void {
  try {
    chmodSync(path, FILE_MODE);
  } catch {
    // Not made yet: SQLite gives it the mode of the database (https://www.sqlite.org/wal.html).
  }
}

const LOST =
  'what it knew of running sandboxes is then forgotten, and caisson clean removes what they left';

/** SQLITE_BUSY, whichever extended code it has, also as the cause of ours. */
function isBusy(error: unknown): boolean {
  const { errcode, cause } = error as { errcode?: number; cause?: unknown };
  return ((errcode ?? 0) & 0xff) === 5 || (cause !== undefined && isBusy(cause));
}

function unusable(path: string, reason: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('STORE_UNUSABLE', {
    layer: 'store',
    message: `the database ${path} cannot be used: ${reason}`,
    hint,
    details: { path },
    cause,
  });
}
