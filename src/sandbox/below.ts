/**
 * A tree of the host, walked without ever following a link, as beneath.ts does, and without waiting: each call comes back when
 * it is done. For threads that do nothing else, and for what is soon done. Directories that were opened stay open for what
 * comes next in the same, so that a list of sorted paths opens each about once.
 */
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { isErrno, O_PATH } from './beneath.ts';
import type { Budget } from './budget.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_CREAT, O_EXCL, O_WRONLY, O_NONBLOCK } = constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** Directories kept open from the top; deeper ones but for the last are opened again. */
const KEPT = 32;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface BelowOptions {
  /** A layer of ours: its files are read also where their guest left us no right to, as an ordinary user. */
  readonly isLayer?: boolean;
  /** For whoever writes: the name of what is still being made, which nobody else has. */
  readonly aside?: string;
}

export class Below {
  readonly #root: number;
  readonly #options: BelowOptions;
  /** The way to the directory asked for last, from the top. */
  readonly #way: { readonly name: string; readonly fd: number }[] = [];
  #last: { path: string; fd: number; isOurs: boolean };
  #absent: { readonly path: string; readonly error: unknown } | undefined;

  private constructor(root: number, options: BelowOptions) {
    this.#root = root;
    this.#options = options;
    this.#last = { path: '', fd: root, isOurs: false };
  }

  /** `path` itself may lie behind links: it is the caller's word. */
  static open(path: string, options: BelowOptions = {}): Below {
    return new Below(openSync(path, O_RDONLY | O_DIRECTORY), options);
  }

  own(): Owner {
    return fstatSync(this.#root);
  }

  /** @returns undefined where there is nothing; `blocked`: something on the way is no directory, a link for instance */
  stat(path: string): BigIntStats | 'blocked' | undefined {
    try {
      return lstatSync(this.#place(path), { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      return absence(error);
    }
  }

  /** The same in a tree in which nothing appears meanwhile: a way that was missing is not looked for again. */
  look(path: string): BigIntStats | 'blocked' | undefined {
    const parent = parentOf(path);
    if (this.#absent?.path === parent) return absence(this.#absent.error);
    try {
      this.#directory(parent);
    } catch (error) {
      this.#absent = { path: parent, error };
      return absence(error);
    }
    return this.stat(path);
  }

  /** Unsorted, without what is no text. */
  names(path: string, budget: Budget): string[] {
    const names: string[] = [];
    const directory = opendirSync(`/proc/self/fd/${this.#directory(path)}`, { bufferSize: 256 });
    try {
      for (let each = directory.readSync(); each !== null; each = directory.readSync()) {
        budget.names(1);
        names.push(each.name);
      }
    } finally {
      directory.closeSync();
    }
    return names;
  }

  link(path: string): string {
    return readlinkSync(this.#place(path));
  }

  /** A regular file, for reading; anything else is refused. Close it. */
  read(path: string): { fd: number; stat: Stats } {
    // O_NONBLOCK: a FIFO that the guest left must not hold us.
    const fd = this.#open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (stat.isFile()) return { fd, stat };
      throw new CaissonError('PATH_ESCAPES', {
        layer: 'sandbox',
        message: `${path} is not a regular file`,
      });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  #open(path: string, flags: number): number {
    const place = this.#place(path);
    try {
      return openSync(place, flags);
    } catch (error) {
      if (!(this.#options.isLayer && isErrno(error, 'EACCES'))) throw error;
      return openClosed(place, flags);
    }
  }

  /** Whole with owner and mode, or not there. */
  makeDirectory(path: string, mode: number, owner: Owner | undefined): void {
    const [place, beside] = this.#places(path);
    mkdirSync(beside, 0o700);
    try {
      const fd = openSync(beside, DIRECTORY);
      try {
        finish(fd, mode, owner);
      } finally {
        closeSync(fd);
      }
      // Over an empty directory, too, which somebody made meanwhile (rename(2)); over anything else it fails.
      renameSync(beside, place);
    } catch (error) {
      quietly(() => rmdirSync(beside));
      throw error;
    }
  }

  changeMode(path: string, mode: number): void {
    const fd = openSync(this.#place(path), DIRECTORY);
    try {
      fchmodSync(fd, mode);
    } finally {
      closeSync(fd);
    }
  }

  /** Writes a file whole or not at all: beside it first, then renamed over it. */
  async replace(
    path: string,
    write: (fd: number) => Promise<void> | undefined,
    mode: number,
    owner: Owner | undefined,
  ): Promise<void> {
    const [place, beside] = this.#places(path);
    const fd = openSync(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      try {
        const writing = write(fd);
        if (writing !== undefined) await writing;
        finish(fd, mode, owner);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, place);
    } catch (error) {
      quietly(() => unlinkSync(beside));
      throw error;
    }
  }

  replaceLink(path: string, to: string): void {
    const [place, beside] = this.#places(path);
    symlinkSync(to, beside);
    try {
      renameSync(beside, place);
    } catch (error) {
      quietly(() => unlinkSync(beside));
      throw error;
    }
  }

  /** A file, a link, or an empty directory. */
  remove(path: string, isDirectory: boolean): void {
    const at = this.#place(path);
    if (isDirectory) rmdirSync(at);
    else unlinkSync(at);
  }

  [Symbol.dispose](): void {
    this.#leave(0);
    closeSync(this.#root);
  }

  /** A file's name in an open directory, for calls that take a path. */
  #place(path: string): string {
    const name = path.slice(path.lastIndexOf('/') + 1);
    requireName(name);
    return `/proc/self/fd/${this.#directory(parentOf(path))}/${name}`;
  }

  /** The same, and beside it what is still being made. */
  #places(path: string): [place: string, beside: string] {
    const { aside } = this.#options;
    if (aside === undefined) throw new TypeError('it was opened to be read');
    return [this.#place(path), `/proc/self/fd/${this.#directory(parentOf(path))}/${aside}`];
  }

  /** An open directory, kept until another one is asked for. @throws ENOENT, ENOTDIR, ELOOP */
  #directory(path: string): number {
    if (path === this.#last.path) return this.#last.fd;
    const names = path === '' ? [] : path.split('/');
    const { path: last, fd: from, isOurs } = this.#last;
    if (isOurs && path.startsWith(`${last}/`)) {
      const known = last.split('/').length;
      const fd = walk(from, names.slice(known));
      closeSync(from);
      this.#last = { path, fd, isOurs: true };
      return fd;
    }
    let depth = 0;
    while (depth < this.#way.length && this.#way[depth]?.name === names[depth]) depth++;
    this.#leave(depth);
    let fd = this.#way[depth - 1]?.fd ?? this.#root;
    for (const name of names.slice(depth, KEPT)) {
      requireName(name);
      fd = openSync(`/proc/self/fd/${fd}/${name}`, DIRECTORY);
      this.#way.push({ name, fd });
    }
    const deeper = names.slice(KEPT);
    if (deeper.length > 0) fd = walk(fd, deeper);
    this.#last = { path, fd, isOurs: deeper.length > 0 };
    return fd;
  }

  /** Closes what is deeper on the way. */
  #leave(depth: number): void {
    if (this.#last.isOurs) closeSync(this.#last.fd);
    this.#last = { path: '', fd: this.#root, isOurs: false };
    for (const { fd } of this.#way.splice(depth)) closeSync(fd);
  }
}

/** A file of ours that its owner may not read is one that he may for as long as it takes to open it. */
function openClosed(place: string, flags: number): number {
  const there = openSync(place, O_PATH | O_NOFOLLOW);
  try {
    // A descriptor of O_PATH takes no fchmod; the link in /proc leads to the very file that was opened.
    const self = `/proc/self/fd/${there}`;
    const mode = fstatSync(there).mode & 0o7777;
    chmodSync(self, mode | 0o400);
    try {
      return openSync(self, flags & ~O_NOFOLLOW);
    } finally {
      chmodSync(self, mode);
    }
  } finally {
    closeSync(there);
  }
}

/** @returns a descriptor of the caller's; those on the way are closed */
function walk(from: number, names: readonly string[]): number {
  let fd = from;
  for (const name of names) {
    requireName(name);
    let next: number;
    try {
      next = openSync(`/proc/self/fd/${fd}/${name}`, DIRECTORY);
    } finally {
      if (fd !== from) closeSync(fd);
    }
    fd = next;
  }
  return fd;
}

function finish(fd: number, mode: number, owner: Owner | undefined): void {
  if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
  fchmodSync(fd, mode);
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function absence(error: unknown): 'blocked' | undefined {
  if (isErrno(error, 'ENOENT')) return undefined;
  if (isErrno(error, 'ENOTDIR', 'ELOOP')) return 'blocked';
  throw error;
}

function requireName(name: string): void {
  if (name === '' || name === '.' || name === '..' || name.includes('\0')) {
    throw new CaissonError('PATH_ESCAPES', {
      layer: 'sandbox',
      message: `${JSON.stringify(name)} is not the name of a file`,
    });
  }
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // What failed before is told.
  }
}
