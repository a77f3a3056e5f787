/**
 * Compiled plans, kept for their owner alone, so that a short command does not pay for a parser and a compiler.
 *
 *   $XDG_RUNTIME_DIR/caisson/plans, else $XDG_CACHE_HOME/…, else ~/.cache/…      directory 0700, files 0600
 *     NAME.json    what the plan was made from, whole: compared, not hashed
 *     NAME.plan    the plan, as the launcher reads it, with its default job
 *
 * What cannot be used is as good as absent: nothing here ever fails a run. Nor can a stale plan weaken one: the launcher
 * carries out what the plan says, or refuses. node:crypto alone would cost a fifth of Node's own start, so a name is
 * FNV-1a of the key; those of two keys may meet, since the entry holds the whole key.
 */
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
import type { NameSet } from '../policy/policy.ts';

const ENTRY_MAX = 4 * 1024 * 1024;
/** So that what an entry cannot know of (a sysctl that was changed) is looked at again before long. */
const AGE_MAX_MS = 15 * 60_000;
const MOST_ENTRIES = 64;

export interface KnownPlan {
  /** Everything that it depends on and that can be said in a line. */
  readonly key: string;
  /** Policy files, with what was in them. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Host paths that it binds, or that the command line names, and what they lead to. */
  readonly paths: readonly { readonly path: string; readonly real: string }[];
  /** What of the caller's environment it takes, and what that was. */
  readonly pass: NameSet;
  readonly environment: Readonly<Record<string, string>>;
  /** The launcher that was verified (locate.ts), and what tells that it is the same file still. */
  readonly launcher: { readonly path: string; readonly stamp: string };
  readonly workspace?: string;
  readonly planStamp: string;
}

export class PlanCache {
  readonly #directory: string | undefined;

  /** @param directory absent: nothing is kept */
  constructor(directory: string | undefined = ownDirectory()) {
    this.#directory = directory;
  }

  /** The entry and the path of its plan. */
  get(key: string): { readonly known: KnownPlan; readonly plan: string } | undefined {
    if (this.#directory === undefined) return undefined;
    try {
      const stem = `${this.#directory}/${nameOf(key)}`;
      const entry = readOwn(`${stem}.json`);
      if (entry === undefined) return undefined;
      const known = JSON.parse(entry.toString()) as KnownPlan;
      if (known.key !== key || !known.files.every(isUnchanged)) return undefined;
      // Unchanged since it was written, in this boot (the key says which): its bytes need not be read here.
      const plan = `${stem}.plan`;
      return stampOf(plan) === known.planStamp ? { known, plan } : undefined;
    } catch {
      return undefined;
    }
  }

  put(known: Omit<KnownPlan, 'planStamp'>, plan: Buffer): void {
    if (this.#directory === undefined) return;
    try {
      for (const path of this.old()) this.remove(path);
      const stem = `${this.#directory}/${nameOf(known.key)}`;
      // The plan first: an entry never names one that is not there, and its stamp tells when another came between.
      writeWhole(`${stem}.plan`, plan);
      const planStamp = stampOf(`${stem}.plan`);
      writeWhole(`${stem}.json`, JSON.stringify({ ...known, planStamp } satisfies KnownPlan));
    } catch {
      // A full disk, a read-only home: the next run compiles again.
    }
  }

  /** Files that no run will use again. */
  old(): string[] {
    const directory = this.#directory;
    if (directory === undefined) return [];
    return readdirSync(directory)
      .map((name) => ({ path: `${directory}/${name}`, age: ageOf(`${directory}/${name}`) }))
      .sort((a, b) => a.age - b.age)
      .filter(({ age }, i) => age > AGE_MAX_MS || i >= 2 * MOST_ENTRIES)
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

/** @returns absolute, checked; nothing where no place is safe */
export function ownDirectory(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const { XDG_RUNTIME_DIR, XDG_CACHE_HOME, HOME } = environment;
  const home = HOME === undefined ? undefined : `${HOME}/.cache`;
  for (const base of [XDG_RUNTIME_DIR, XDG_CACHE_HOME, home]) {
    if (base === undefined || !base.startsWith('/')) continue;
    const plans = `${base}/caisson/plans`;
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

/** Which file stands there: content cannot change without one of them. */
export function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return '';
  return [stat.dev, stat.ino, stat.size, stat.uid, stat.mode, stat.mtimeMs, stat.ctimeMs].join(':');
}

/** A link, somebody else's, or open to others: an entry could be planted. */
function isOwn(directory: string): boolean {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && isMine(stat);
}

function isMine(stat: { readonly uid: number; readonly mode: number }): boolean {
  return stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
}

function readOwn(path: string): Buffer | undefined {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const stat = fstatSync(descriptor);
    const fresh = Date.now() - stat.mtimeMs < AGE_MAX_MS;
    const good = stat.isFile() && isMine(stat) && fresh && stat.size <= ENTRY_MAX;
    return good ? readFileSync(descriptor) : undefined;
  } finally {
    closeSync(descriptor);
  }
}

function writeWhole(path: string, bytes: Buffer | string): void {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, bytes, { mode: 0o600, flag: 'wx' });
  renameSync(part, path);
}

function isUnchanged({ path, text }: { readonly path: string; readonly text: string }): boolean {
  return readFileSync(path, 'utf8') === text;
}

/** FNV-1a, twice with different bases. */
function nameOf(key: string): string {
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (let at = 0; at < key.length; at++) {
    a = Math.imul(a ^ key.charCodeAt(at), 0x01000193);
    b = Math.imul(b ^ a, 0x01000193);
  }
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
}

function ageOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : Date.now() - stat.mtimeMs;
}
