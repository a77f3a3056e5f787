/**
 * One process for a directory, for as long as it lives: a lock of the kernel's on a file in it (fcntl(2)), which is gone with
 * its holder, whatever ended it. SQLite takes it, for Node has no other way to: a writer's place in an empty database
 * (https://www.sqlite.org/lockingv3.html). Nothing else may open that file in this process: such locks end when any
 * descriptor of theirs is closed.
 */
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CaissonError } from '../core/error.ts';

const SQLITE_BUSY = 5;
const FILE_MODE = 0o600;

export class DirectoryLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * @param name of the file, made where it is missing; it stays
   * @throws CONFLICT where another one has it, with `details.pid` where the kernel tells; STORE_UNUSABLE
   */
  static take(directory: string, name: string): DirectoryLock {
    const path = join(directory, name);
    let database: DatabaseSync | undefined;
    try {
      makeFile(path);
      database = new DatabaseSync(path, { timeout: 0 });
      database.exec('BEGIN IMMEDIATE');
      return new DirectoryLock(database);
    } catch (cause) {
      const holder = isBusy(cause) ? { pid: holderOf(path) } : undefined;
      database?.close();
      if (holder !== undefined) throw taken(directory, holder.pid, cause);
      throw new CaissonError('STORE_UNUSABLE', {
        layer: 'store',
        message: `the directory ${directory} cannot be locked: ${(cause as Error).message}`,
        hint: `look at the disk it is on, and at ${path}`,
        details: { path },
        cause,
      });
    }
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** With its mode, which SQLite would take from the umask. One that is there is not opened: see above. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', FILE_MODE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function isBusy(error: unknown): boolean {
  const { errcode = 0 } = error as { readonly errcode?: number };
  return (errcode & 0xff) === SQLITE_BUSY;
}

/** proc_locks(5). Undefined for a process of another pid namespace. */
function holderOf(path: string): number | undefined {
  try {
    const inode = String(statSync(path).ino);
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, kind, , access, pid, file] = line.trim().split(/\s+/);
      const isIt = kind === 'POSIX' && access === 'WRITE' && file?.split(':')[2] === inode;
      if (isIt && Number(pid) > 0) return Number(pid);
    }
  } catch {
    // Who it is makes the message better, and no more.
  }
  return undefined;
}

function taken(directory: string, pid: number | undefined, cause: unknown): CaissonError {
  const who =
    pid === undefined ? 'another process' : pid === process.pid ? 'this process' : `process ${pid}`;
  return new CaissonError('CONFLICT', {
    layer: 'store',
    message: `the state directory ${directory} is in use by ${who}`,
    hint: 'stop that one, or give this one a directory of its own (stateDirectory, --state)',
    details: { directory, ...(pid === undefined ? {} : { pid }) },
    cause,
  });
}
