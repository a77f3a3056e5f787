/**
 * Brings changes into the workspace: checked whole before the first write, then each file whole or not at all, so that
 * whoever is ended on the way leaves the workspace with some of the changes, and the rest pending. What is applied already is no
 * change any more.
 */
import { type BigIntStats, closeSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { copySparse } from '../launcher/layer.ts';
import { AppliedStamps } from './applied-stamps.ts';
import { Asides, removeLeftAsides } from './asides.ts';
import { Below, type Owner, parentOf } from './below.ts';
import { isErrno, isOther } from './beneath.ts';
import type { Budget } from './budget.ts';
import type { Applied, ApplyOptions } from './changes.ts';
import { hasHoles, type OpenFile } from './file-content.ts';
import { type Change, ofLayer, typeOf } from './layer-changes.ts';
import type { OverlayLayer, OverlayRecord } from './overlay.ts';

/** Plain data: it is also sent to a thread. */
export interface ApplySetup {
  readonly directory: string;
  readonly layers: readonly OverlayLayer[];
  readonly record: Pick<OverlayRecord, 'sinceNs' | 'applied'>;
  readonly options: Pick<ApplyOptions, 'skipProtected' | 'only'>;
}

export interface ApplyWatch {
  /** Called after each that was applied. @throws to end it there */
  readonly onApplied?: (done: number, total: number) => void;
}

/** Whole in memory at once. */
const PIECE = 256 * 1024;
/** From here on holes are looked for; bytes. */
const SPARSE_FROM = 1024 * 1024;

/** @throws CHANGES_CONFLICT; BeyondBudget before anything is written */
export async function applyChanges(
  setup: ApplySetup,
  entries: readonly Change[],
  budget: Budget,
  { onApplied }: ApplyWatch = {},
): Promise<Applied> {
  const { layers, options, directory } = setup;
  const only = options.only === undefined ? undefined : new Set(options.only);
  const chosen = withHolders(entries.filter(({ path }) => isChosen(path, only)));
  const isLeft = (change: Change): boolean =>
    change.type === 'special' ||
    change.stays === true ||
    (change.protected && options.skipProtected === true);
  const skipped = chosen.filter(isLeft);
  const wanted = chosen.filter((change) => !isLeft(change));
  removeLeftAsides(directory, layers);
  const stamps = AppliedStamps.open(directory);
  const check = new ConflictCheck(setup, stamps);
  const refused = wanted.filter((change) => change.protected).map((change) => change.path);
  const conflicts: string[] = [];
  for (const layer of layers) {
    using upper = Below.open(layer.upper, { isLayer: true });
    using lower = Below.open(layer.lower);
    /** No directories yet, but on this apply's way. */
    const replaced = new Set<string>();
    for (const change of ofLayer(layer, wanted)) {
      budget.file(change.path, 4);
      const content =
        budget.isLimited && change.type === 'file' && change.kind !== 'deleted'
          ? upper.stat(change.path)
          : undefined;
      if (typeof content === 'object') budget.bytes(Number(content.size));
      const below = lower.stat(change.path);
      const isNewDirectory = typeof below === 'object' && change.type === 'directory';
      if (isNewDirectory && !below.isDirectory()) replaced.add(change.path);
      if (below === 'blocked' && isWithin(change.path, replaced)) continue;
      if (below === 'blocked' || check.isConflict(change, below, layer)) {
        conflicts.push(`${layer.prefix}${change.path}`);
      }
    }
  }
  if (refused.length > 0 || conflicts.length > 0) throw conflict(refused, conflicts);

  let done = 0;
  using asides = Asides.open(directory);
  try {
    for (const layer of layers) {
      using upper = Below.open(layer.upper, { isLayer: true });
      using lower = Below.open(layer.lower, { aside: asides.name });
      const work = new LayerWork({ layer, upper, lower, check, stamps, asides });
      for (const change of inOrder(ofLayer(layer, wanted))) {
        try {
          await work.apply(change);
        } catch (error) {
          throw isMoved(error) ? movedAway(`${layer.prefix}${change.path}`, error) : error;
        }
        onApplied?.(++done, wanted.length);
      }
    }
  } finally {
    stamps.write();
  }
  return { applied: wanted, skipped };
}

/** What somebody else changed below since the overlay was made. */
class ConflictCheck {
  readonly #setup: ApplySetup;
  readonly #stamps: AppliedStamps;
  readonly #since: bigint;
  /** Files with other names, one of which this apply has replaced: that is a change of the file, too. */
  readonly #ours = new Set<string>();

  constructor(setup: ApplySetup, stamps: AppliedStamps) {
    this.#setup = setup;
    this.#stamps = stamps;
    this.#since = BigInt(setup.record.sinceNs);
  }

  isConflict(change: Change, below: BigIntStats | undefined, { prefix }: OverlayLayer): boolean {
    if (below === undefined) return change.kind === 'modified';
    // A directory's times change with whatever else is made in it; its contents are judged one by one.
    if (below.isDirectory() && change.type === 'directory') return false;
    // Also where a file takes its place, which goes only when it is empty: but for one that was not there.
    if (below.isDirectory() && below.birthtimeNs <= this.#since) return false;
    if (below.ctimeNs <= this.#since || this.#stamps.has(below)) return false;
    if (this.#ours.has(nameOf(below)) && below.mtimeNs <= this.#since) return false;
    const { applied } = this.#setup.record;
    const path = `${prefix}${change.path}`;
    return !(Object.hasOwn(applied, path) && applied[path] === below.ctimeNs.toString());
  }

  replaces(below: BigIntStats): void {
    if (below.nlink > 1n && !below.isDirectory()) this.#ours.add(nameOf(below));
  }
}

class Moved extends Error {}

interface LayerSetup {
  readonly layer: OverlayLayer;
  readonly upper: Below;
  readonly lower: Below;
  readonly check: ConflictCheck;
  readonly stamps: AppliedStamps;
  readonly asides: Asides;
}

class LayerWork {
  readonly #setup: LayerSetup;
  readonly #owner: Owner;
  readonly #isRoot = process.geteuid?.() === 0;

  constructor(setup: LayerSetup) {
    this.#setup = setup;
    this.#owner = setup.lower.own();
  }

  async apply(change: Change): Promise<void> {
    const { path, type } = change;
    const { layer, upper, lower, check, asides } = this.#setup;
    const before = lower.stat(path);
    // Looked at once more: an apply may take long, and others work on.
    if (before === 'blocked' || check.isConflict(change, before, layer)) {
      throw new Moved(`${path} was changed`);
    }
    if (before !== undefined) check.replaces(before);
    if (change.kind === 'deleted') {
      if (before !== undefined) lower.remove(path, before.isDirectory());
      return;
    }
    const isOther = before !== undefined && typeOf(before) !== type;
    // rename(2) puts nothing in the place of a directory, nor a directory in that of anything else.
    if (isOther && (before.isDirectory() || type === 'directory')) {
      lower.remove(path, before.isDirectory());
    }
    const kept = before === undefined ? this.#owner : ownerOf(before);
    const owner = this.#isRoot ? kept : undefined;
    const mode = (change.mode ?? 0o644) & 0o777;
    asides.moveTo(layer, parentOf(path));
    if (type === 'directory') {
      if (before?.isDirectory() === true) lower.changeMode(path, mode);
      else {
        lower.makeDirectory(path, mode, owner);
        this.#note(path);
      }
      return;
    }
    if (type === 'link') lower.replaceLink(path, upper.link(path));
    else await this.#file(path, mode, owner);
    this.#note(path);
  }

  #note(path: string): void {
    const { lower, stamps } = this.#setup;
    const made = lower.stat(path);
    if (typeof made === 'object') stamps.note(made);
  }

  async #file(path: string, mode: number, owner: Owner | undefined): Promise<void> {
    const { upper, lower, stamps } = this.#setup;
    const source = upper.read(path);
    try {
      const isLarge = source.stat.size >= SPARSE_FROM;
      const copy = isLarge && hasHoles(source.stat) ? copyHoles : copyBytes;
      await lower.replace(path, (fd) => copy(source, fd), mode, owner);
      if (isLarge) stamps.write();
    } finally {
      closeSync(source.fd);
    }
  }
}

async function copyHoles({ fd, stat }: OpenFile, to: number): Promise<void> {
  await copySparse(fd, to);
  ftruncateSync(to, stat.size);
}

let buffer: Buffer | undefined;

/** As long as it was when it was opened: its guest could let it grow as fast as it is copied. */
function copyBytes({ fd, stat }: OpenFile, to: number): undefined {
  buffer ??= Buffer.allocUnsafe(PIECE);
  for (let at = 0; at < stat.size; ) {
    const read = readSync(fd, buffer, 0, Math.min(PIECE, stat.size - at), at);
    if (read === 0) return;
    for (let written = 0; written < read; ) {
      written += writeSync(to, buffer, written, read - written, at + written);
    }
    at += read;
  }
}

/** Deletions of what is inside first, then everything from the outside in. */
function inOrder(changes: readonly Change[]): Change[] {
  const deleted = changes.filter((change) => change.kind === 'deleted');
  return [...deleted.reverse(), ...changes.filter((change) => change.kind !== 'deleted')];
}

/** A directory below goes only when all that it holds may: one that holds what stays, stays. */
function withHolders(changes: readonly Change[]): Change[] {
  const held = new Set<string>();
  const staying = new Set<string>();
  for (const { kind, path, protected: isHeld, stays } of changes) {
    if (kind !== 'deleted' || !(isHeld || stays === true)) continue;
    const holders = isHeld ? held : staying;
    for (let at = parentOf(path); at !== '' && !holders.has(at); at = parentOf(at)) holders.add(at);
  }
  if (held.size === 0 && staying.size === 0) return [...changes];
  return changes.map((change) => {
    const isGone = change.kind === 'deleted' || change.type !== 'directory';
    if (isGone && held.has(change.path)) return { ...change, protected: true };
    if (isGone && staying.has(change.path)) return { ...change, stays: true };
    return change;
  });
}

function isChosen(path: string, only: ReadonlySet<string> | undefined): boolean {
  if (only === undefined) return true;
  // The repository behind a worktree has absolute paths, which end at the root.
  for (let at = path; at !== ''; at = parentOf(at)) if (only.has(at)) return true;
  return false;
}

/** Whether one of them holds it. */
function isWithin(path: string, directories: ReadonlySet<string>): boolean {
  for (let at = parentOf(path); at !== ''; at = parentOf(at)) if (directories.has(at)) return true;
  return false;
}

function ownerOf({ uid, gid }: BigIntStats): Owner {
  return { uid: Number(uid), gid: Number(gid) };
}

function nameOf({ dev, ino }: BigIntStats): string {
  return `${dev} ${ino}`;
}

/** Of ways and files that were there when they were looked at. */
function isMoved(error: unknown): boolean {
  return error instanceof Moved || isOther(error) || isErrno(error, 'EEXIST', 'ENOTEMPTY');
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
    ...(refused.length > 0 ? [`the policy protects ${named(refused)}`] : []),
    ...(conflicts.length > 0 ? [`changed below since the run began: ${named(conflicts)}`] : []),
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

const NAMED = 100;

/** All of them are in the details. */
function named(paths: readonly string[]): string {
  const rest = paths.length - NAMED;
  return `${paths.slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
