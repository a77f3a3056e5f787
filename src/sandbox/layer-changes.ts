/**
 * What a guest changed in one overlaid directory, read from its upper layer and held against what lies below.
 */
import type { BigIntStats } from 'node:fs';
import { isCaissonError } from '../core/error.ts';
import { type LayerEntry, MOST_ENTRIES, readLayer, tooMany } from '../launcher/layer.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, touchesPath } from '../policy/path-set.ts';
import { leadsToProtected, matchesProtected } from '../policy/protect.ts';
import { Beneath, isErrno, isOther, openUp } from './beneath.ts';
import { sameFile } from './file-content.ts';
import type { OverlayLayer } from './overlay.ts';

export interface Change {
  /** Relative to the workspace; absolute in the repository behind a worktree. */
  readonly path: string;
  readonly kind: 'added' | 'modified' | 'deleted';
  readonly type: 'file' | 'directory' | 'link' | 'special';
  /** Permission bits that it has now; absent when deleted. */
  readonly mode?: number;
  /** The policy protects it: apply refuses. */
  readonly protected: boolean;
  /** Of a staged workspace, and `write` does not name it: apply leaves it out. */
  readonly stays?: true;
}

type Found = Omit<Change, 'protected' | 'stays'>;

/**
 * Sorted; paths relative to the layer. What a guest takes away while it is read is left out.
 *
 * @param launcher path of the launcher's program
 * @throws TOO_LARGE for more than `most` entries, by default a million, or a path beyond PATH_MAX
 */
export async function layerChanges(
  layer: OverlayLayer,
  launcher: string,
  most: number = MOST_ENTRIES,
): Promise<Change[]> {
  const found = await readReadable(layer.upper, launcher, most);
  await using upper = await Beneath.open(layer.upper);
  await using lower = await Beneath.open(layer.lower);
  const entries: Change[] = [];
  for (const entry of found) {
    if (entry.path === '' || entry.path === '.') continue;
    for (const change of await compareThere(entry, upper, lower)) {
      if (entries.length >= most) throw tooMany(most);
      const stays = layer.outputs !== undefined && !isOutput(layer, change);
      const isHeld = isProtected(layer.protect, change);
      entries.push({ ...change, protected: isHeld, ...(stays ? { stays } : {}) });
    }
  }
  return dedupe(entries);
}

/** As an ordinary user we cannot look into a directory that the guest closed, until we open it again. */
async function readReadable(upper: string, launcher: string, most: number): Promise<LayerEntry[]> {
  try {
    return await readLayer(launcher, upper, most);
  } catch (error) {
    const isOurs = isCaissonError(error) && error.code === 'TOO_LARGE';
    if (process.geteuid?.() === 0 || isOurs) throw error;
    await openUp(upper);
    return await readLayer(launcher, upper, most);
  }
}

/** One that has gone, or become something else, since it was listed: who looks again sees what it is. */
async function compareThere(entry: LayerEntry, upper: Beneath, lower: Beneath): Promise<Found[]> {
  try {
    return await compare(entry, upper, lower);
  } catch (error) {
    if (isOther(error)) return [];
    throw error;
  }
}

async function compare(entry: LayerEntry, upper: Beneath, lower: Beneath): Promise<Found[]> {
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
async function hiddenBy(upper: Beneath, lower: Beneath, path: string): Promise<Found[]> {
  await using up = await directoryAt(upper, path);
  await using low = await directoryAt(lower, path);
  const kept = new Set(await up.names());
  const out: Found[] = [];
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
async function deletions(lower: Beneath, path: string, stat: BigIntStats): Promise<Found[]> {
  const out: Found[] = [];
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
export async function statBeneath(
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

function dedupe(changes: readonly Change[]): Change[] {
  const byPath = new Map<string, Change>();
  for (const change of changes) byPath.set(change.path, change);
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Whether the policy may write there; a new directory may be made where the way leads there. */
function isOutput({ outputs, prefix }: OverlayLayer, { path, kind, type }: Found): boolean {
  if (outputs === undefined) return true;
  const full = `${prefix === '' ? `${WORKSPACE}/` : prefix}${path}`;
  const isWay = kind === 'added' && type === 'directory';
  return containsPath(outputs, full) || (isWay && touchesPath(outputs, full));
}

function isProtected(patterns: readonly string[], change: Found): boolean {
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

export function typeOf(stat: BigIntStats): Change['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'special';
}
