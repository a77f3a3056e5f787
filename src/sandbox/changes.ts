/**
 * What a run changed in an overlaid workspace: looked at, applied or discarded.
 *
 * The upper layer was written by the guest: nothing here follows a link of it, and nothing is written through a link of
 * the workspace (beneath.ts). An apply is checked whole before its first write.
 */
import type { FileHandle } from 'node:fs/promises';
import { CaissonError } from '../core/error.ts';
import { Beneath, isErrno, isOther } from './beneath.ts';
import { textOf } from './file-content.ts';
import { type Change, layerChanges, statBeneath, typeOf } from './layer-changes.ts';
import type { Overlay, OverlayLayer } from './overlay.ts';
import { unifiedDiff } from './text-diff.ts';

export type { Change } from './layer-changes.ts';

export interface ApplyOptions {
  /** Leave protected paths out instead of refusing the whole; default false. */
  readonly skipProtected?: boolean;
  /** Apply only these paths and what lies below them; default all. */
  readonly only?: readonly string[];
  /** As {@link ChangesOptions.most}. */
  readonly most?: number;
}

export interface ChangesOptions {
  /** More entries than that are refused (TOO_LARGE); default a million. */
  readonly most?: number;
}

export interface Applied {
  readonly applied: readonly Change[];
  /** Protected, not named by `write` of a staged workspace, or of a type that is never brought out (sockets, FIFOs, devices). */
  readonly skipped: readonly Change[];
}

export class Changes {
  readonly #overlay: Overlay;
  readonly #launcher: string;
  readonly #options: ChangesOptions;
  readonly entries: readonly Change[];

  private constructor(
    overlay: Overlay,
    launcher: string,
    options: ChangesOptions,
    entries: readonly Change[],
  ) {
    this.#overlay = overlay;
    this.#launcher = launcher;
    this.#options = options;
    this.entries = entries;
  }

  /**
   * @param launcher path of the launcher's program
   * @throws TOO_LARGE: more entries than `most`, or a path of more than 4096 bytes
   */
  static async read(
    overlay: Overlay,
    launcher: string,
    options: ChangesOptions = {},
  ): Promise<Changes> {
    const entries: Change[] = [];
    for (const layer of overlay.layers) {
      const { prefix } = layer;
      const found = await layerChanges(layer, launcher, options.most);
      for (const change of found) entries.push({ ...change, path: `${prefix}${change.path}` });
    }
    return new Changes(overlay, launcher, options, entries);
  }

  /** Names the overlay: `caisson apply ID`. */
  get id(): string {
    return this.#overlay.id;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /**
   * A unified diff of what is text; a line for everything else.
   *
   * @param options `most`: it ends with the change that goes beyond so many characters, and says so; default none
   */
  async diff(options: { readonly most?: number } = {}): Promise<string> {
    const { most = Number.POSITIVE_INFINITY } = options;
    let out = '';
    let shown = 0;
    for await (const part of this.diffParts()) {
      if (out.length > most) {
        return `${out}… and ${this.entries.length - shown} other changes, which are not shown\n`;
      }
      shown++;
      out += part;
    }
    return out;
  }

  /** The same, one change at a time: a guest can make it as long as it likes. */
  async *diffParts(): AsyncGenerator<string> {
    for (const layer of this.#overlay.layers) {
      await using upper = await Beneath.open(layer.upper).catch(gone);
      await using lower = await Beneath.open(layer.lower);
      for (const change of ofLayer(layer, this.entries)) {
        yield await diffOf(change, `${layer.prefix}${change.path}`, upper, lower);
      }
    }
  }

  /**
   * Brings the changes into the workspace. Owners become the workspace's, modes are kept without set-user-id bits.
   * Of a staged workspace what `write` names comes out, and nothing else, whoever applies. The changes stay pending until {@link discard}; applying twice does nothing the second time.
   *
   * @throws CHANGES_CONFLICT when something below was changed since the run began, or the policy protects it;
   * `details.conflicts`, `details.protected`. Nothing has been written then.
   */
  async apply(options: ApplyOptions = {}): Promise<Applied> {
    const fresh = await Changes.read(this.#overlay, this.#launcher, this.#options);
    const chosen = fresh.entries.filter((change) => isChosen(change.path, options.only));
    const skipped = chosen.filter(
      (change) =>
        change.type === 'special' ||
        change.stays === true ||
        (change.protected && options.skipProtected === true),
    );
    const left = new Set(skipped);
    const wanted = chosen.filter((change) => !left.has(change));
    const refused = wanted.filter((change) => change.protected).map((change) => change.path);
    const conflicts = await this.#conflicts(wanted);
    if (refused.length > 0 || conflicts.length > 0) throw conflict(refused, conflicts);

    const stamps: Record<string, string> = {};
    for (const layer of this.#overlay.layers) {
      await using upper = await Beneath.open(layer.upper);
      await using lower = await Beneath.open(layer.lower);
      const owner = await lower.own();
      for (const change of inOrder(ofLayer(layer, wanted))) {
        try {
          await applyOne(change, upper, lower, owner);
        } catch (error) {
          throw isMoved(error) ? movedAway(change.path, error) : error;
        }
        stamps[`${layer.prefix}${change.path}`] = await stampOf(lower, change.path);
      }
    }
    this.#overlay.noteApplied(stamps);
    return { applied: wanted, skipped };
  }

  /** Forgets the changes; the workspace stays as it is. */
  async discard(): Promise<void> {
    await this.#overlay.discard();
  }

  /** What somebody else changed below since the overlay was made. */
  async #conflicts(wanted: readonly Change[]): Promise<string[]> {
    const { sinceNs, applied } = this.#overlay.record;
    const found: string[] = [];
    for (const layer of this.#overlay.layers) {
      await using lower = await Beneath.open(layer.lower);
      for (const change of ofLayer(layer, wanted)) {
        const shown = `${layer.prefix}${change.path}`;
        const stat = await statBeneath(lower, change.path);
        // A directory's times change with whatever else is made in it; its contents are judged one by one.
        if (stat === 'blocked') found.push(shown);
        else if (stat !== undefined && !(stat.isDirectory() && change.type === 'directory')) {
          const ours = applied[shown] === stat.ctimeNs.toString();
          if (!ours && stat.ctimeNs > BigInt(sinceNs)) found.push(shown);
        } else if (stat === undefined && change.kind === 'modified') found.push(shown);
      }
    }
    return found;
  }
}

/** What changes once more while it is read is told in one line. */
async function diffOf(
  { path, kind, type }: Change,
  name: string,
  upper: Beneath,
  lower: Beneath,
): Promise<string> {
  const line = `${kind} ${type} ${JSON.stringify(name)}`;
  if (type !== 'file') return `${line}\n`;
  try {
    const before = kind === 'added' ? '' : await textOf(lower, path);
    const after = kind === 'deleted' ? '' : await textOf(upper, path);
    return unifiedDiff(name, before, after, kind);
  } catch (error) {
    if (isOther(error)) return `${line}, and something else now\n`;
    throw error;
  }
}

/** Discarded since they were read. */
function gone(error: unknown): never {
  if (!isErrno(error, 'ENOENT')) throw error;
  throw new CaissonError('SANDBOX_CLOSED', {
    layer: 'sandbox',
    message: 'the changes were discarded while they were read',
    cause: error,
  });
}

/** The changes of one layer, with paths relative to it. */
function ofLayer({ prefix }: OverlayLayer, changes: readonly Change[]): Change[] {
  if (prefix === '') return changes.filter(({ path }) => !path.startsWith('/'));
  return changes
    .filter(({ path }) => path.startsWith(prefix))
    .map((change) => ({ ...change, path: change.path.slice(prefix.length) }));
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

/** As long as it was when it was opened: its guest could let it grow as fast as it is copied. */
async function copyInto(source: FileHandle, file: FileHandle): Promise<void> {
  const { size } = await source.stat();
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, size - at), at);
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

function isChosen(path: string, only: readonly string[] | undefined): boolean {
  return only === undefined || only.some((each) => path === each || path.startsWith(`${each}/`));
}

/** Of ways and files that were there when they were looked at. */
function isMoved(error: unknown): boolean {
  return isOther(error) || isErrno(error, 'EEXIST', 'ENOTEMPTY');
}

function movedAway(path: string, cause: unknown): CaissonError {
  return new CaissonError('CHANGES_CONFLICT', {
    layer: 'sandbox',
    message: `${path} was changed by somebody else while it was written; what comes before it in the list was applied`,
    hint: 'end what else works on the workspace, and apply again',
    details: { protected: [], conflicts: [path] },
    cause,
  });
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
        : 'leave the protected paths out with skipProtected (--skip-protected), or discard',
    details: { protected: refused, conflicts },
  });
}
