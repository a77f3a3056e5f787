/**
 * What a guest changed in one overlaid directory, read from its upper layer and held against what lies below. Both are walked in
 * one order, once, and nothing is kept but the way: a walk can begin behind any path, and end where it is enough.
 */
import { type BigIntStats, closeSync } from 'node:fs';
import { isCaissonError } from '../core/error.ts';
import { type LayerEntry, layerEntries } from '../launcher/layer.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, touchesPath } from '../policy/path-set.ts';
import { leadsToProtected, protectedBy } from '../policy/protect.ts';
import { Below } from './below.ts';
import { isErrno, isOther, openUp } from './beneath.ts';
import type { Budget } from './budget.ts';
import { sameBytes } from './file-content.ts';
import type { OverlayLayer } from './overlay.ts';
import { comparePaths, isBefore, isPast } from './path-order.ts';

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

export interface LayerWalk {
  /** path of the launcher's program */
  readonly launcher: string;
  readonly budget: Budget;
  /** Relative to the layer; what does not come later is left out. */
  readonly after?: string;
  /** Called with what the guest left, changed or not. */
  readonly onEntries?: (count: number) => void;
}

/** So many are handed on together. */
const BATCH = 256;

/**
 * Sorted (`comparePaths`); paths relative to the layer. What a guest takes away while it is read is left out.
 *
 * @throws TOO_LARGE for a path beyond PATH_MAX; BeyondBudget
 */
export async function* layerChanges(
  layer: OverlayLayer,
  { launcher, budget, after = '', onEntries }: LayerWalk,
): AsyncGenerator<Change[], void> {
  using upper = Below.open(layer.upper, { isLayer: true });
  using lower = Below.open(layer.lower);
  const comparison = new Comparison(upper, lower, budget, after);
  const isHeld = protection(layer.protect);
  let last = after;
  let out: Change[] = [];
  const isFull = (found: Found): boolean => {
    // Two ways can lead to one path while its guest exchanges what is there.
    if (comparePaths(found.path, last) <= 0) return false;
    last = found.path;
    const stays = layer.outputs !== undefined && !isOutput(layer, found);
    out.push({ ...found, protected: isHeld(found), ...(stays ? { stays } : {}) });
    return out.length >= BATCH;
  };
  for await (const entries of readable(layer.upper, launcher, after)) {
    onEntries?.(entries.length);
    for (const entry of entries) {
      for (const found of comparison.upTo(entry)) {
        if (!isFull(found)) continue;
        yield out;
        out = [];
      }
    }
    if (out.length > 0) yield out;
    out = [];
  }
  for (const found of comparison.upTo(undefined)) {
    if (!isFull(found)) continue;
    yield out;
    out = [];
  }
  if (out.length > 0) yield out;
}

/** As an ordinary user we cannot look into a directory that the guest closed, until we open it again. */
async function* readable(
  upper: string,
  launcher: string,
  after: string,
): AsyncGenerator<LayerEntry[], void> {
  let last = after;
  try {
    for await (const entries of layerEntries(launcher, upper, after === '' ? undefined : after)) {
      yield entries;
      last = entries.at(-1)?.path ?? last;
    }
    return;
  } catch (error) {
    const isList = isCaissonError(error) && error.code === 'LAUNCHER_FAILED';
    if (process.geteuid?.() === 0 || !isList) throw error;
  }
  await openUp(upper);
  for await (const entries of layerEntries(launcher, upper, last === '' ? undefined : last)) {
    const news = entries.filter(({ path }) => last === after || comparePaths(path, last) > 0);
    if (news.length > 0) yield news;
  }
}

type Hidden = Iterator<Found, void>;

/** Puts together what the layer holds and what it hides, in order. */
class Comparison {
  readonly #upper: Below;
  readonly #lower: Below;
  readonly #budget: Budget;
  readonly #after: string;
  /** Deleted trees whose turn is still to come, each with its next one. Few: their ways begin alike. */
  #hidden: { readonly rest: Hidden; next: Found }[] = [];
  /** The opaque directory whose walk finds what those inside it hide, too. */
  #opaque = '';

  constructor(upper: Below, lower: Below, budget: Budget, after: string) {
    this.#upper = upper;
    this.#lower = lower;
    this.#budget = budget;
    this.#after = after;
  }

  /** What comes before `entry` and was not told yet, and what became of it; without one, the rest. */
  *upTo(entry: LayerEntry | undefined): Generator<Found, void> {
    while (this.#hidden.length > 0) {
      const first = this.#hidden.reduce((a, b) =>
        comparePaths(b.next.path, a.next.path) < 0 ? b : a,
      );
      if (entry !== undefined && comparePaths(first.next.path, entry.path) >= 0) break;
      yield first.next;
      const { value, done } = first.rest.next();
      if (done === true) this.#hidden = this.#hidden.filter((each) => each !== first);
      else first.next = value;
    }
    if (entry === undefined) return;
    this.#budget.file(entry.path);
    const found = this.#compareThere(entry);
    if (found !== undefined && comparePaths(found.path, this.#after) > 0) yield found;
  }

  /** One that has gone, or become something else, since it was listed: who looks again sees what it is. */
  #compareThere(entry: LayerEntry): Found | undefined {
    try {
      return this.#compare(entry);
    } catch (error) {
      if (isOther(error)) return undefined;
      throw error;
    }
  }

  #compare({ path, mode, type: marked }: LayerEntry): Found | undefined {
    const below = this.#lower.look(path);
    const before = below === 'blocked' ? undefined : below;
    if (marked === 'whiteout') {
      if (before === undefined) return undefined;
      if (before.isDirectory()) this.#hide(path, undefined);
      return { path, kind: 'deleted', type: typeOf(before) };
    }
    const type = marked === 'opaque' ? 'directory' : marked;
    const now = { path, type, mode };
    if (before === undefined) return { ...now, kind: 'added' };
    if (typeOf(before) !== type) {
      if (before.isDirectory()) this.#hide(path, undefined);
      return { ...now, kind: 'modified' };
    }
    if (marked === 'opaque' && !(this.#opaque !== '' && path.startsWith(`${this.#opaque}/`))) {
      this.#opaque = path;
      this.#hide(path, this.#upper);
    }
    // Told by the walk for what comes later alone: nothing is read for it.
    if (comparePaths(path, this.#after) <= 0) return undefined;
    const sameMode = (Number(before.mode) & 0o777) === (mode & 0o777) || type === 'link';
    const same = sameMode && (type === 'directory' || this.#isSame(path, type));
    return same ? undefined : { ...now, kind: 'modified' };
  }

  #isSame(path: string, type: Change['type']): boolean {
    if (type === 'link') return this.#upper.link(path) === this.#lower.link(path);
    if (type !== 'file') return false;
    const a = this.#upper.read(path);
    try {
      const b = this.#readLower(path);
      if (b === undefined) return false;
      try {
        return sameBytes(a, b, this.#budget);
      } finally {
        closeSync(b.fd);
      }
    } finally {
      closeSync(a.fd);
    }
  }

  /** @returns undefined for a file of the workspace that this user may not read, which nobody can compare */
  #readLower(path: string): ReturnType<Below['read']> | undefined {
    try {
      return this.#lower.read(path);
    } catch (error) {
      if (isErrno(error, 'EACCES')) return undefined;
      throw error;
    }
  }

  #hide(path: string, upper: Below | undefined): void {
    const rest = this.#below(path, upper);
    const { value, done } = rest.next();
    if (done !== true) this.#hidden.push({ rest, next: value });
  }

  /**
   * A tree below that is not seen any more.
   *
   * @param upper where the tree is hidden by an opaque directory: what that holds itself is not told of
   */
  *#below(path: string, upper: Below | undefined): Generator<Found, void> {
    const names = this.#names(this.#lower, path).sort(comparePaths);
    const kept = upper === undefined ? undefined : new Set(this.#names(upper, path));
    const waiting: string[] = [];
    const enter = (name: string): Generator<Found, void> =>
      this.#below(`${path}/${name}`, kept?.has(name) === true ? upper : undefined);
    for (const name of names) {
      for (let top = waiting.at(-1); top !== undefined && isPast(name, top); top = waiting.at(-1)) {
        waiting.pop();
        yield* enter(top);
      }
      const inner = `${path}/${name}`;
      if (isBefore(inner, this.#after)) continue;
      this.#budget.file(inner);
      const stat = this.#lower.look(inner);
      if (stat === undefined || stat === 'blocked') continue;
      if (kept?.has(name) !== true) {
        if (comparePaths(inner, this.#after) > 0) {
          yield { path: inner, kind: 'deleted', type: typeOf(stat) };
        }
        if (stat.isDirectory()) waiting.push(name);
      } else if (stat.isDirectory()) {
        const above = upper?.stat(inner);
        if (typeof above === 'object' && above.isDirectory()) waiting.push(name);
      }
    }
    for (let top = waiting.pop(); top !== undefined; top = waiting.pop()) yield* enter(top);
  }

  #names(tree: Below, path: string): string[] {
    try {
      return tree.names(path, this.#budget);
    } catch (error) {
      if (isOther(error)) return [];
      throw error;
    }
  }
}

/** Whether the policy may write there; a new directory may be made where the way leads there. */
function isOutput({ outputs, prefix }: OverlayLayer, { path, kind, type }: Found): boolean {
  if (outputs === undefined) return true;
  const full = `${prefix === '' ? `${WORKSPACE}/` : prefix}${path}`;
  const isWay = kind === 'added' && type === 'directory';
  return containsPath(outputs, full) || (isWay && touchesPath(outputs, full));
}

function protection(patterns: readonly string[]): (change: Found) => boolean {
  const covers = protectedBy(patterns);
  const fixed = patterns.filter((pattern) => !pattern.startsWith('**'));
  return ({ path, type, kind }) =>
    covers(path) ||
    // A file or link in the place of a directory that leads to something protected.
    (type !== 'directory' &&
      kind !== 'deleted' &&
      fixed.some((pattern) => leadsToProtected(pattern, path)));
}

export function typeOf(stat: BigIntStats): Change['type'] {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'link' : 'special';
}

/** The changes of one layer, with paths relative to it. */
export function ofLayer<C extends Pick<Change, 'path'>>(
  { prefix }: OverlayLayer,
  changes: readonly C[],
): C[] {
  if (prefix === '') return changes.filter(({ path }) => !path.startsWith('/'));
  return changes
    .filter(({ path }) => path.startsWith(prefix))
    .map((change) => ({ ...change, path: change.path.slice(prefix.length) }));
}
