/**
 * What a run changed in an overlaid workspace: looked at, applied or discarded.
 *
 * The upper layer was written by the guest: nothing here follows a link of it, and nothing is written through a link of
 * the workspace (beneath.ts). An apply is checked whole before its first write.
 */
import type { BigIntStats } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { type LayerEntry, readLayer } from '../launcher/layer.ts';
import { leadsToProtected, matchesProtected } from '../policy/protect.ts';
import { Beneath, isErrno, openUp } from './beneath.ts';
import { sameFile, textOf } from './file-content.ts';
import type { Overlay } from './overlay.ts';
import { unifiedDiff } from './text-diff.ts';

export interface Change {
  /** Relative to the workspace. */
  readonly path: string;
  readonly kind: 'added' | 'modified' | 'deleted';
  readonly type: 'file' | 'directory' | 'link' | 'special';
  /** Permission bits that it has now; absent when deleted. */
  readonly mode?: number;
  /** The policy protects it: apply refuses. */
  readonly protected: boolean;
}

export interface ApplyOptions {
  /** Leave protected paths out instead of refusing the whole; default false. */
  readonly skipProtected?: boolean;
  /** Apply only these paths and what lies below them; default all. */
  readonly only?: readonly string[];
}

export interface Applied {
  readonly applied: readonly Change[];
  /** Protected, or of a type that is never brought out (sockets, FIFOs, devices). */
  readonly skipped: readonly Change[];
}

export class Changes {
  readonly #overlay: Overlay;
  readonly #launcher: string;
  readonly entries: readonly Change[];

  private constructor(overlay: Overlay, launcher: string, entries: readonly Change[]) {
    this.#overlay = overlay;
    this.#launcher = launcher;
    this.entries = entries;
  }

  /** @param launcher path of the launcher's program */
  static async read(overlay: Overlay, launcher: string): Promise<Changes> {
    const layer = await readReadable(overlay.upper, launcher);
    await using upper = await Beneath.open(overlay.upper);
    await using lower = await Beneath.open(overlay.record.workspace);
    const entries: Change[] = [];
    for (const entry of layer) {
      if (entry.path === '' || entry.path === '.') continue;
      for (const change of await compare(entry, upper, lower)) {
        entries.push({ ...change, protected: isProtected(overlay.record.protect, change) });
      }
    }
    return new Changes(overlay, launcher, dedupe(entries));
  }

  /** Names the overlay: `caisson apply ID`. */
  get id(): string {
    return this.#overlay.id;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** A unified diff of what is text; a line for everything else. */
  async diff(): Promise<string> {
    await using upper = await Beneath.open(this.#overlay.upper);
    await using lower = await Beneath.open(this.#overlay.record.workspace);
    let out = '';
    for (const change of this.entries) {
      if (change.type === 'file') {
        const before = change.kind === 'added' ? '' : await textOf(lower, change.path);
        const after = change.kind === 'deleted' ? '' : await textOf(upper, change.path);
        out += unifiedDiff(change.path, before, after, change.kind);
      } else {
        out += `${change.kind} ${change.type} ${JSON.stringify(change.path)}\n`;
      }
    }
    return out;
  }

  /**
   * Brings the changes into the workspace. Owners become the workspace's, modes are kept without set-user-id bits.
   * The changes stay pending until {@link discard}; applying twice does nothing the second time.
   *
   * @throws CHANGES_CONFLICT when something below was changed since the run began, or the policy protects it;
   * `details.conflicts`, `details.protected`. Nothing has been written then.
   */
  async apply(options: ApplyOptions = {}): Promise<Applied> {
    const fresh = await Changes.read(this.#overlay, this.#launcher);
    const chosen = fresh.entries.filter((change) => isChosen(change.path, options.only));
    const skipped = chosen.filter(
      (change) => change.type === 'special' || (change.protected && options.skipProtected === true),
    );
    const wanted = chosen.filter((change) => !skipped.includes(change));
    const refused = wanted.filter((change) => change.protected).map((change) => change.path);
    await using upper = await Beneath.open(this.#overlay.upper);
    await using lower = await Beneath.open(this.#overlay.record.workspace);
    const conflicts = await this.#conflicts(wanted, lower);
    if (refused.length > 0 || conflicts.length > 0) throw conflict(refused, conflicts);

    const owner = await lower.own();
    const stamps: Record<string, string> = {};
    for (const change of inOrder(wanted)) {
      await applyOne(change, upper, lower, owner);
      stamps[change.path] = await stampOf(lower, change.path);
    }
    this.#overlay.noteApplied(stamps);
    return { applied: wanted, skipped };
  }

  /** Forgets the changes; the workspace stays as it is. */
  async discard(): Promise<void> {
    await this.#overlay.discard();
  }

  /** What somebody else changed below since the overlay was made. */
  async #conflicts(wanted: readonly Change[], lower: Beneath): Promise<string[]> {
    const { sinceNs, applied } = this.#overlay.record;
    const found: string[] = [];
    for (const change of wanted) {
      const stat = await statBeneath(lower, change.path);
      // A directory's times change with whatever else is made in it; its contents are judged one by one.
      if (stat === 'blocked') found.push(change.path);
      else if (stat !== undefined && !(stat.isDirectory() && change.type === 'directory')) {
        const ours = applied[change.path] === stat.ctimeNs.toString();
        if (!ours && stat.ctimeNs > BigInt(sinceNs)) found.push(change.path);
      } else if (stat === undefined && change.kind === 'modified') found.push(change.path);
    }
    return found;
  }
}

/** As an ordinary user we cannot look into a directory that the guest closed, until we open it again. */
async function readReadable(upper: string, launcher: string): Promise<LayerEntry[]> {
  try {
    return await readLayer(launcher, upper);
  } catch (error) {
    if (process.geteuid?.() === 0) throw error;
    await openUp(upper);
    return await readLayer(launcher, upper);
  }
}

async function compare(
  entry: LayerEntry,
  upper: Beneath,
  lower: Beneath,
): Promise<Omit<Change, 'protected'>[]> {
  const { path, mode } = entry;
  const below = await statBeneath(lower, path);
  const before = below === 'blocked' ? undefined : below;
  if (entry.type === 'whiteout') {
    return before === undefined ? [] : await deletions(lower, path, before);
  }
  const hidden =
    entry.type === 'opaque' && before?.isDirectory() === true
      ? await hiddenBy(upper, lower, path)
      : [];
  const type = entry.type === 'opaque' ? 'directory' : entry.type;
  const now = { path, type, mode };
  if (before === undefined) return [...hidden, { ...now, kind: 'added' }];
  if (typeOf(before) !== type) {
    return [...(await deletions(lower, path, before)).slice(0, -1), { ...now, kind: 'modified' }];
  }
  const sameMode = (Number(before.mode) & 0o777) === (mode & 0o777) || type === 'link';
  const same = sameMode && (type === 'directory' || (await sameFile(upper, lower, path, type)));
  return same ? hidden : [...hidden, { ...now, kind: 'modified' }];
}

/** What an opaque directory hides: everything below it that it does not hold itself. */
async function hiddenBy(
  upper: Beneath,
  lower: Beneath,
  path: string,
): Promise<Omit<Change, 'protected'>[]> {
  await using up = await directoryAt(upper, path);
  await using low = await directoryAt(lower, path);
  const kept = new Set(await up.names());
  const out: Omit<Change, 'protected'>[] = [];
  for (const name of await low.names()) {
    const inner = `${path}/${name}`;
    const stat = await low.stat(name);
    if (stat === undefined) continue;
    if (!kept.has(name)) out.push(...(await deletions(lower, inner, stat)));
    else if (stat.isDirectory() && (await up.stat(name))?.isDirectory() === true) {
      out.push(...(await hiddenBy(upper, lower, inner)));
    }
  }
  return out;
}

/** A deleted tree, what is inside before what holds it. */
async function deletions(
  lower: Beneath,
  path: string,
  stat: BigIntStats,
): Promise<Omit<Change, 'protected'>[]> {
  const out: Omit<Change, 'protected'>[] = [];
  if (stat.isDirectory()) {
    await using directory = await directoryAt(lower, path);
    for (const name of (await directory.names()).sort()) {
      const inner = await directory.stat(name);
      if (inner !== undefined) out.push(...(await deletions(lower, `${path}/${name}`, inner)));
    }
  }
  out.push({ path, kind: 'deleted', type: typeOf(stat) });
  return out;
}

async function directoryAt(root: Beneath, path: string): Promise<Beneath> {
  await using parent = await root.parentOf(path);
  return await parent.directory(path.slice(path.lastIndexOf('/') + 1));
}

/** `blocked`: something on the way is no directory, a link for instance. */
async function statBeneath(
  root: Beneath,
  path: string,
): Promise<BigIntStats | 'blocked' | undefined> {
  try {
    await using parent = await root.parentOf(path);
    return await parent.stat(path.slice(path.lastIndexOf('/') + 1));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) return 'blocked';
    throw error;
  }
}

async function stampOf(root: Beneath, path: string): Promise<string> {
  const stat = await statBeneath(root, path);
  return stat === undefined || stat === 'blocked' ? '' : stat.ctimeNs.toString();
}

async function applyOne(
  change: Change,
  upper: Beneath,
  lower: Beneath,
  owner: { uid: number; gid: number },
): Promise<void> {
  const name = change.path.slice(change.path.lastIndexOf('/') + 1);
  await using into = await lower.parentOf(change.path);
  if (change.kind === 'deleted') return await into.remove(name);
  const before = await into.stat(name);
  if (before !== undefined && typeOf(before) !== change.type) await into.remove(name);
  const mode = (change.mode ?? 0o644) & 0o777;
  const kept = before === undefined ? owner : { uid: Number(before.uid), gid: Number(before.gid) };
  const as = process.geteuid?.() === 0 ? kept : undefined;
  if (change.type === 'directory') {
    if (before?.isDirectory() !== true) return await into.makeDirectory(name, mode, as);
    await using directory = await into.directory(name);
    return await directory.chmodSelf(mode);
  }
  await using from = await upper.parentOf(change.path);
  if (change.type === 'link') return await into.replaceLink(name, await from.link(name));
  await using source = await from.read(name);
  await into.replace(name, (file) => copyInto(source, file), mode, as);
}

async function copyInto(
  source: {
    read: (
      buffer: Buffer,
      offset: number,
      length: number,
      position: number,
    ) => Promise<{ bytesRead: number }>;
  },
  file: {
    write: (buffer: Buffer, offset: number, length: number, position: number) => Promise<unknown>;
  },
): Promise<void> {
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (let at = 0; ; ) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    await file.write(buffer, 0, bytesRead, at);
    at += bytesRead;
  }
}

/** Deletions of what is inside first, then everything from the outside in. */
function inOrder(changes: readonly Change[]): Change[] {
  const deleted = changes.filter((change) => change.kind === 'deleted');
  const made = changes.filter((change) => change.kind !== 'deleted');
  deleted.sort((a, b) => b.path.length - a.path.length);
  made.sort((a, b) => (a.path < b.path ? -1 : 1));
  return [...deleted, ...made];
}

function dedupe(changes: readonly Change[]): Change[] {
  const byPath = new Map<string, Change>();
  for (const change of changes) byPath.set(change.path, change);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isChosen(path: string, only: readonly string[] | undefined): boolean {
  return only === undefined || only.some((each) => path === each || path.startsWith(`${each}/`));
}

function isProtected(patterns: readonly string[], change: Omit<Change, 'protected'>): boolean {
  return patterns.some(
    (pattern) =>
      matchesProtected(pattern, change.path) ||
      // A file or link in the place of a directory that leads to something protected.
      (change.type !== 'directory' &&
        change.kind !== 'deleted' &&
        leadsToProtected(pattern, change.path) &&
        !pattern.startsWith('**')),
  );
}

function typeOf(stat: BigIntStats): Change['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'special';
}

function conflict(refused: readonly string[], conflicts: readonly string[]): CaissonError {
  const parts = [
    ...(refused.length > 0 ? [`the policy protects ${refused.join(', ')}`] : []),
    ...(conflicts.length > 0 ? [`changed below since the run began: ${conflicts.join(', ')}`] : []),
  ];
  return new CaissonError('CHANGES_CONFLICT', {
    layer: 'sandbox',
    message: `nothing was applied: ${parts.join('; ')}`,
    hint:
      conflicts.length > 0
        ? 'run again on the workspace as it is now, or apply single paths'
        : 'apply without the protected paths (skipProtected, --skip-protected), or discard',
    details: { protected: refused, conflicts },
  });
}
