/**
 * Sets of names, finite or all but finitely many, where `LC_*` stands for every name that begins so.
 *
 * The longest matching pattern decides (a whole name before a prefix of the same letters), so that
 * the sets are closed under union, intersection and difference, as path sets are: `LC_*` without
 * `LC_ALL` is `{names: ['LC_*'], except: ['LC_ALL']}`.
 */
import type { NameSet } from './policy.ts';

/** From patterns as written: `PATH`, `LC_*`, `!LC_ALL`, `*`. A carve-out wins over the same pattern. */
export function nameSet(patterns: Iterable<string>): NameSet {
  const rules = new Map<string, boolean>();
  for (const pattern of patterns) {
    const include = !pattern.startsWith('!');
    const name = include ? pattern : pattern.slice(1);
    rules.set(name, include && (rules.get(name) ?? true));
  }
  return canonical(rules);
}

export function containsName(set: NameSet, name: string): boolean {
  return decide(rulesOf(set), name);
}

export function unionNames(a: NameSet, b: NameSet): NameSet {
  return combine(a, b, (inA, inB) => inA || inB);
}

export function intersectNames(a: NameSet, b: NameSet): NameSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

export function subtractNames(a: NameSet, b: NameSet): NameSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

export function isEmptyNames(set: NameSet): boolean {
  return !set.complement && set.names.length === 0;
}

/** A pattern all of whose names, save for longer rules, are in `b` and not in `a`. */
export function nameWitness(a: NameSet, b: NameSet): string | undefined {
  const rest = subtractNames(b, a);
  return rest.complement ? '*' : rest.names[0];
}

/** What {@link nameSet} would take to make this set. */
export function namePatterns(set: NameSet): string[] {
  const except = set.except ?? [];
  return set.complement
    ? ['*', ...set.names.map((name) => `!${name}`), ...except]
    : [...set.names, ...except.map((name) => `!${name}`)];
}

type Rules = ReadonlyMap<string, boolean>;

function rulesOf(set: NameSet): Rules {
  return new Map([
    ['*', set.complement],
    ...set.names.map((name) => [name, !set.complement] as const),
    ...(set.except ?? []).map((name) => [name, set.complement] as const),
  ]);
}

/** What holds for a name, or for the shortest names of a prefix pattern. */
function decide(rules: Rules, pattern: string): boolean {
  const exact = rules.get(pattern);
  if (exact !== undefined) return exact;
  return decideAbove(rules, pattern);
}

function decideAbove(rules: Rules, pattern: string): boolean {
  const isPrefix = pattern.endsWith('*');
  // `AB*` lies right below `A*`, the name `AB` right below `AB*`.
  const stem = isPrefix ? pattern.slice(0, -1) : pattern;
  for (let length = isPrefix ? stem.length - 1 : stem.length; length >= 0; length--) {
    const include = rules.get(`${stem.slice(0, length)}*`);
    if (include !== undefined) return include;
  }
  return false;
}

function combine(a: NameSet, b: NameSet, keep: (inA: boolean, inB: boolean) => boolean): NameSet {
  const rulesA = rulesOf(a);
  const rulesB = rulesOf(b);
  const rules = new Map<string, boolean>();
  for (const pattern of [...rulesA.keys(), ...rulesB.keys()]) {
    rules.set(pattern, keep(decide(rulesA, pattern), decide(rulesB, pattern)));
  }
  return canonical(rules);
}

function canonical(rules: Rules): NameSet {
  const complement = rules.get('*') ?? false;
  const kept = [...rules].filter(
    ([pattern, include]) => pattern !== '*' && include !== decideAbove(rules, pattern),
  );
  const names = kept.filter(([, include]) => include !== complement).map(([name]) => name);
  const except = kept.filter(([, include]) => include === complement).map(([name]) => name);
  return {
    complement,
    names: names.sort(),
    ...(except.length === 0 ? {} : { except: except.sort() }),
  };
}
