/**
 * Patterns of canonical paths that rules look for. Many uses have one path, and most programs use the same names: each
 * pattern is tried once for a path, not once for every use of it in every rule.
 */

/** One bit. */
export type PathTrait = number;

const patterns: RegExp[] = [];

/** For the top of a rule's file: at most 31 in all. */
export function pathTrait(pattern: RegExp): PathTrait {
  return 1 << (patterns.push(pattern) - 1);
}

/** Texts of the code make paths: what is remembered of them is bounded. */
const REMEMBERED = 20_000;
const remembered = new Map<string, number>();

/** The traits of a path, joined. */
export function traitsOf(path: string): number {
  let traits = remembered.get(path);
  if (traits === undefined) {
    traits = 0;
    for (let i = 0; i < patterns.length; i++) {
      if ((patterns[i] as RegExp).test(path)) traits |= 1 << i;
    }
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(path, traits);
  }
  return traits;
}
