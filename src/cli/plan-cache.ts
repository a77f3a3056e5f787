/**
 * Compiled plans, kept for their owner alone, so that a short command does not pay for a parser and a compiler.
 *
 *   $XDG_RUNTIME_DIR/caisson/plans/KEY, else $XDG_CACHE_HOME/caisson/plans/KEY, else ~/.cache/…     directory 0700, file 0600
 *     sha-256 of the rest · v8-serialised entry
 *
 * An entry is used when its key (version, command line, host) fits and every policy file it came from still has the
 * bytes that it had. What cannot be used is as good as absent: nothing here ever fails a run. A stale plan cannot weaken
 * one either: the launcher carries out what the plan says, or refuses.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';

const HASH_BYTES = 32;
const ENTRY_MAX = 4 * 1024 * 1024;
/** So that what an entry cannot know of (a sysctl that was changed) is looked at again before long. */
const AGE_MAX_MS = 15 * 60_000;
const MOST_ENTRIES = 64;

/** A policy file, and the SHA-256 (hex) of what was in it. */
export interface SourceFile {
  readonly path: string;
  readonly sha256: string;
}

interface Entry {
  readonly key: string;
  readonly files: readonly SourceFile[];
  readonly value: unknown;
}

export class PlanCache {
  readonly #directory: string | undefined;

  /** @param directory absent: nothing is kept */
  constructor(directory: string | undefined = ownDirectory()) {
    this.#directory = directory;
  }

  get directory(): string | undefined {
    return this.#directory;
  }

  get(key: string): unknown {
    if (this.#directory === undefined) return undefined;
    try {
      const bytes = readOwn(join(this.#directory, key));
      const entry = bytes && verified(bytes);
      if (entry?.key !== key) return undefined;
      return entry.files.every(isUnchanged) ? entry.value : undefined;
    } catch {
      return undefined;
    }
  }

  put(key: string, files: readonly SourceFile[], value: unknown): void {
    if (this.#directory === undefined) return;
    try {
      for (const path of this.old()) this.remove(path);
      const body = serialize({ key, files, value } satisfies Entry);
      const path = join(this.#directory, key);
      const part = `${path}.${process.pid}`;
      writeFileSync(part, Buffer.concat([sha256(body), body]), { mode: 0o600, flag: 'wx' });
      renameSync(part, path);
    } catch {
      // A full disk, a read-only home: the next run compiles again.
    }
  }

  delete(key: string): void {
    if (this.#directory !== undefined) this.remove(join(this.#directory, key));
  }

  /** Entries that no run will use again, as paths. */
  old(): string[] {
    const directory = this.#directory;
    if (directory === undefined) return [];
    return readdirSync(directory)
      .map((name) => ({ path: join(directory, name), age: ageOf(join(directory, name)) }))
      .sort((a, b) => a.age - b.age)
      .filter(({ age }, i) => age > AGE_MAX_MS || i >= MOST_ENTRIES)
      .map(({ path }) => path);
  }

  remove(path: string): boolean {
    try {
      unlinkSync(path);
    } catch {
      return false;
    }
    return true;
  }
}

/** `parts` differ wherever the plan may: length-prefixed, so that no two lists run together. */
export function cacheKey(parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex');
}

/** @returns absolute, checked; nothing where no place is safe */
export function ownDirectory(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  for (const base of [
    environment.XDG_RUNTIME_DIR,
    environment.XDG_CACHE_HOME,
    join(homedir(), '.cache'),
  ]) {
    if (base === undefined || !isAbsolute(base)) continue;
    const home = join(base, 'caisson');
    const plans = join(home, 'plans');
    try {
      if (isOwn(plans)) return plans;
      mkdirSync(plans, { recursive: true, mode: 0o700 });
      if (isOwn(plans)) return plans;
    } catch {
      // The next place.
    }
  }
  return undefined;
}

/** A link, somebody else's, or open to others: an entry could be planted. */
function isOwn(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  return (
    stat?.isDirectory() === true && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0
  );
}

function readOwn(path: string): Buffer | undefined {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stat = fstatSync(descriptor);
    const mine = stat.isFile() && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
    const fresh = Date.now() - stat.mtimeMs < AGE_MAX_MS;
    return mine && fresh && stat.size <= ENTRY_MAX ? readFileSync(descriptor) : undefined;
  } finally {
    closeSync(descriptor);
  }
}

function verified(bytes: Buffer): Entry | undefined {
  const body = bytes.subarray(HASH_BYTES);
  if (bytes.length <= HASH_BYTES) return undefined;
  if (!timingSafeEqual(sha256(body), bytes.subarray(0, HASH_BYTES))) return undefined;
  return deserialize(body) as Entry;
}

function isUnchanged({ path, sha256: expected }: SourceFile): boolean {
  return hashFile(readFileSync(path)) === expected;
}

export function hashFile(text: Uint8Array): string {
  return sha256(text).toString('hex');
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function ageOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs;
}
