/**
 * Fewer entries for many paths: a directory for the files that were used in it, where that gives away least.
 */

/** A place of a policy, and the used paths that it stands for. */
export interface FoldedPath {
  readonly path: string;
  /** What was used at or below it; one entry and equal to `path` where nothing was folded. */
  readonly members: readonly string[];
}

export interface FoldOptions {
  /** Entries at most. */
  readonly limit: number;
  /** Folds a directory as soon as so many entries lie directly in it, even where there is room; absent: never. */
  readonly from?: number;
  /** Whether a directory may stand for what is in it: never a home or the root. */
  readonly mayFold: (directory: string) => boolean;
  /** How many files lie at or below a directory, as far as was counted. */
  readonly count: (directory: string) => number;
}

/**
 * Paths sorted, each once; what lies below another of them goes into it. While there are more than `limit`, the directory
 * is folded that shows the fewest unused files for each entry that it saves; what cannot be folded any more stays, so
 * that the result may be longer than `limit`.
 */
export function foldPaths(
  paths: Iterable<string>,
  { limit, from, mayFold, count }: FoldOptions,
): FoldedPath[] {
  const folded = new Map<string, readonly string[]>();
  for (const path of [...new Set(paths)].sort()) {
    const above = [...ancestors(path)].find((each) => folded.has(each));
    if (above === undefined) folded.set(path, [path]);
    else folded.set(above, [...(folded.get(above) as readonly string[]), path]);
  }
  if (from !== undefined) {
    for (;;) {
      const dense = densest(folded, from, mayFold);
      if (dense === undefined) break;
      fold(folded, dense);
    }
  }
  while (folded.size > limit) {
    const best = cheapest(folded, mayFold, count);
    if (best === undefined) break;
    fold(folded, best);
  }
  return [...folded]
    .map(([path, members]) => ({ path, members }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function fold(folded: Map<string, readonly string[]>, directory: string): void {
  const members: string[] = [];
  for (const [path, inner] of folded) {
    if (!path.startsWith(`${directory}/`)) continue;
    members.push(...inner);
    folded.delete(path);
  }
  folded.set(directory, members.sort());
}

/** The deepest directory with at least `from` entries directly in it. */
function densest(
  folded: ReadonlyMap<string, unknown>,
  from: number,
  mayFold: (directory: string) => boolean,
): string | undefined {
  const direct = new Map<string, number>();
  for (const path of folded.keys()) {
    const parent = parentOf(path);
    if (parent !== undefined) direct.set(parent, (direct.get(parent) ?? 0) + 1);
  }
  return [...direct]
    .filter(([directory, entries]) => entries >= from && mayFold(directory))
    .map(([directory]) => directory)
    .sort((a, b) => b.split('/').length - a.split('/').length)[0];
}

function cheapest(
  folded: ReadonlyMap<string, readonly string[]>,
  mayFold: (directory: string) => boolean,
  count: (directory: string) => number,
): string | undefined {
  const below = new Map<string, { entries: number; used: number }>();
  for (const [path, members] of folded) {
    for (const directory of ancestors(path)) {
      const sum = below.get(directory) ?? { entries: 0, used: 0 };
      sum.entries += 1;
      sum.used += members.length;
      below.set(directory, sum);
    }
  }
  let best: { directory: string; cost: number } | undefined;
  for (const [directory, { entries, used }] of below) {
    if (entries < 2 || !mayFold(directory)) continue;
    const cost = Math.max(0, count(directory) - used) / (entries - 1);
    const better = best === undefined || cost < best.cost;
    // Between equals the deeper one: it gives away nothing that the other would not.
    const deeper = best?.cost === cost && directory.length > best.directory.length;
    if (better || deeper) best = { directory, cost };
  }
  return best?.directory;
}

function* ancestors(path: string): Generator<string> {
  for (let at = parentOf(path); at !== undefined; at = parentOf(at)) yield at;
}

function parentOf(path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? undefined : path.slice(0, slash);
}
