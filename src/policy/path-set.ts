/**
 * Sets of paths: prefix rules with carve-outs, the longest match decides.
 *
 * Exact under union, intersection and difference, since between two rules of either operand
 * membership does not change: it is enough to decide at each rule's own path.
 */
import type { PathRule } from './path.ts';
import type { PathSet } from './policy.ts';

export const EMPTY_PATHS: PathSet = { rules: [] };

/** The canonical set of these rules. For one path named twice, the carve-out wins. */
export function pathSet(rules: Iterable<PathRule>): PathSet {
  const byPath = new Map<string, boolean>();
  for (const { path, include } of rules) byPath.set(path, include && (byPath.get(path) ?? true));
  return canonical(byPath);
}

export function containsPath(set: PathSet, path: string): boolean {
  return decide(index(set), path);
}

/** Whether anything at or below `path` is in the set. */
export function touchesPath(set: PathSet, path: string): boolean {
  return (
    containsPath(set, path) || set.rules.some((rule) => rule.include && isWithin(rule.path, path))
  );
}

export function unionPaths(a: PathSet, b: PathSet): PathSet {
  return combine(a, b, (inA, inB) => inA || inB);
}

export function intersectPaths(a: PathSet, b: PathSet): PathSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

export function subtractPaths(a: PathSet, b: PathSet): PathSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

export function isEmptyPaths(set: PathSet): boolean {
  return !set.rules.some((rule) => rule.include);
}

/** A path of `b` that `a` lacks; nothing when `a` holds all of `b`. */
export function pathWitness(a: PathSet, b: PathSet): string | undefined {
  return subtractPaths(b, a).rules.find((rule) => rule.include)?.path;
}

/** Whether `path` is `ancestor` or below it. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(ancestor === '/' ? '/' : `${ancestor}/`);
}

/** `/a/b` → `/a` → `/`; `$workspace/a` → `$workspace` → nothing. */
export function parentPath(path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  if (path === '/' || slash < 0) return undefined;
  return slash === 0 ? '/' : path.slice(0, slash);
}

function combine(a: PathSet, b: PathSet, keep: (inA: boolean, inB: boolean) => boolean): PathSet {
  const indexA = index(a);
  const indexB = index(b);
  const byPath = new Map<string, boolean>();
  for (const { path } of [...a.rules, ...b.rules]) {
    byPath.set(path, keep(decide(indexA, path), decide(indexB, path)));
  }
  return canonical(byPath);
}

function index(set: PathSet): ReadonlyMap<string, boolean> {
  return new Map(set.rules.map((rule) => [rule.path, rule.include]));
}

function decide(rules: ReadonlyMap<string, boolean>, path: string): boolean {
  for (let at: string | undefined = path; at !== undefined; at = parentPath(at)) {
    const include = rules.get(at);
    if (include !== undefined) return include;
  }
  return false;
}

function canonical(byPath: ReadonlyMap<string, boolean>): PathSet {
  const rules = [...byPath]
    .filter(([path, include]) => {
      const parent = parentPath(path);
      return include !== (parent === undefined ? false : decide(byPath, parent));
    })
    .map(([path, include]) => ({ path, include }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return { rules };
}
