/**
 * Files that decide who is trusted: read from one descriptor, whole, and only where nobody but their owner could have
 * written them: not through a link, not below a directory that others may change.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { trustInvalid } from './problem.ts';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const READS_MAX = 20;

/** What tells one content of a file from the next without reading it. */
export function fileStamp({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

/** @throws TRUST_INVALID; ENOENT as it comes */
export function readGuarded(path: string, maxBytes: number): { text: string; stamp: string } {
  const full = resolve(path);
  for (let left = READS_MAX; left > 0; left--) {
    checkDirectories(full);
    const read = readOnce(full, maxBytes);
    // Put in its place by somebody else, who has every right to.
    if (read !== undefined) return read;
  }
  throw refuse(full, 'it was changed while it was read', 'try again');
}

/** @returns undefined where it was changed meanwhile */
function readOnce(full: string, maxBytes: number): { text: string; stamp: string } | undefined {
  // A FIFO would keep us waiting.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let file: number;
  try {
    file = openSync(full, flags);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ELOOP') throw cause;
    throw refuse(full, 'it is a symbolic link', `name the file itself: ${target(full)}`);
  }
  try {
    const before = fstatSync(file);
    checkFile(full, before, maxBytes);
    const bytes = readWhole(file, before.size);
    const stamp = fileStamp(before);
    if (bytes === undefined || fileStamp(fstatSync(file)) !== stamp) return undefined;
    return { text: decode(full, bytes), stamp };
  } finally {
    closeSync(file);
  }
}

/** Appears whole or not at all, mode 0600. */
export function writeGuarded(path: string, text: string): void {
  const full = resolve(path);
  const draft = join(dirname(full), `.${basename(full)}.${process.pid}.new`);
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    renameSync(draft, full);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw cause;
  }
  const directory = openSync(dirname(full), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

/**
 * @param path absolute; need not be there
 * @param mayWrite whether a guest may write to an absolute path
 * @throws TRUST_INVALID where a guest could change it, or a directory above it
 */
export function checkOutOfReach(path: string, mayWrite: (path: string) => boolean): void {
  for (const start of new Set([path, join(real(dirname(path)), basename(path))])) {
    for (let at = start; ; at = dirname(at)) {
      if (mayWrite(at)) {
        throw refuse(path, `a guest can write to ${at}`, 'keep it where no policy writes');
      }
      if (at === dirname(at)) break;
    }
  }
}

function checkDirectories(full: string): void {
  const home = realpathSync(dirname(full));
  for (let at = home; ; at = dirname(at)) {
    const { mode, uid } = statSync(at);
    const open = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
    if (open) throw refuse(full, `others may change its directory ${at}`, `chmod go-w ${at}`);
    if (!isOurs(uid))
      throw refuse(
        full,
        `its directory ${at} is somebody else’s`,
        'keep it in a directory of yours',
      );
    if (at === dirname(at)) return;
  }
}

function checkFile(path: string, { mode, uid, size }: Stats, maxBytes: number): void {
  const isFile = (mode & constants.S_IFMT) === constants.S_IFREG;
  if (!isFile) throw refuse(path, 'it is no regular file', 'name a file');
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    throw refuse(path, 'others may write it', `chmod go-w ${path}`);
  }
  if (!isOurs(uid)) throw refuse(path, 'it is somebody else’s', `chown it to yourself: ${path}`);
  if (size > maxBytes)
    throw refuse(path, `it is larger than ${maxBytes} bytes`, 'name another file');
}

/** root could change anything anyway. */
function isOurs(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function readWhole(file: number, size: number): Buffer | undefined {
  const bytes = Buffer.alloc(size + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length <= size; length += read) {
    read = readSync(file, bytes, length, bytes.length - length, null);
  }
  return length === size ? bytes.subarray(0, size) : undefined;
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(path, 'it is not UTF-8', 'save it as UTF-8');
  }
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function target(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : path;
  } catch {
    return path;
  }
}

function refuse(path: string, why: string, hint: string) {
  return trustInvalid(`${path} is not read: ${why}`, hint);
}
