/**
 * Sets of requests, as a rule's `http` says them: finite unions of (methods × path or everything below a path).
 *
 * `undefined` is everything that a connection can carry, what is no HTTP included. Paths nest or are disjoint, so the
 * form is closed under intersection; a difference is told by denying (`destination-set.ts`).
 */
import { coversPath, formatHttpRule } from './http-rule.ts';
import type { HttpRule } from './policy.ts';

export type RequestSet = readonly HttpRule[] | undefined;

/** A request, its path decoded and normalised. */
export interface RequestPoint {
  readonly method: string;
  readonly path: string;
}

/** @param point absent: something that is no request */
export function containsRequest(set: RequestSet, point: RequestPoint | undefined): boolean {
  return (
    set === undefined ||
    (point !== undefined &&
      set.some(
        (rule) => coversMethods(rule.methods, [point.method]) && coversPath(rule, point.path),
      ))
  );
}

/** Whether every request of `b` is one of a single rule of `a`; `b` has no rule that is empty. */
export function coversRequests(a: RequestSet, b: RequestSet): boolean {
  if (a === undefined) return true;
  return b?.every((inner) => a.some((outer) => coversHttpRule(outer, inner))) ?? false;
}

export function unionRequests(a: RequestSet, b: RequestSet): RequestSet {
  return a === undefined || b === undefined ? undefined : canonicalRequests([...a, ...b]);
}

/** Nothing in common gives an empty list. */
export function intersectRequests(a: RequestSet, b: RequestSet): RequestSet {
  if (a === undefined || b === undefined) return a ?? b;
  return canonicalRequests(a.flatMap((x) => b.flatMap((y) => intersectHttpRules(x, y) ?? [])));
}

/** One form for each set: one rule for each path, no method that a rule above it has already, sorted. */
export function canonicalRequests(rules: readonly HttpRule[]): readonly HttpRule[] {
  const byPath = new Map<string, HttpRule>();
  for (const rule of rules) {
    const key = `${rule.prefix} ${rule.path}`;
    const known = byPath.get(key);
    byPath.set(key, { ...rule, methods: joinMethods(known?.methods, rule.methods) });
  }
  const merged = [...byPath.values()];
  return merged
    .flatMap((rule): HttpRule[] => {
      const above = merged.filter((other) => other !== rule && coversWhere(other, rule));
      if (above.some(({ methods }) => methods.length === 0)) return [];
      if (rule.methods.length === 0) return [rule];
      const methods = rule.methods.filter(
        (method) => !above.some((other) => other.methods.includes(method)),
      );
      return methods.length === 0 ? [] : [{ ...rule, methods }];
    })
    .sort((a, b) => (formatHttpRule(a) < formatHttpRule(b) ? -1 : 1));
}

/** A request of each class that no rule tells apart. */
export function representativeRequests(rules: readonly HttpRule[]): readonly RequestPoint[] {
  const words = rules.flatMap(({ methods, path }) => [...methods, ...path.split('/')]);
  let fresh = 'any';
  while (words.includes(fresh) || words.includes(fresh.toUpperCase())) fresh += 'x';
  const methods = [...new Set([...rules.flatMap((rule) => rule.methods), fresh.toUpperCase()])];
  const paths = new Set(
    [...rules.map(({ path }) => path), '/'].flatMap((path) => [
      path,
      `${path.replace(/\/$/, '')}/${fresh}`,
    ]),
  );
  return [...paths].flatMap((path) => methods.map((method) => ({ method, path })));
}

function intersectHttpRules(a: HttpRule, b: HttpRule): HttpRule | undefined {
  const narrow = coversWhere(a, b) ? b : coversWhere(b, a) ? a : undefined;
  if (!narrow) return undefined;
  const methods =
    a.methods.length === 0
      ? b.methods
      : b.methods.length === 0
        ? a.methods
        : a.methods.filter((method) => b.methods.includes(method));
  const apart = methods.length === 0 && a.methods.length + b.methods.length > 0;
  return apart ? undefined : { ...narrow, methods };
}

function coversHttpRule(a: HttpRule, b: HttpRule): boolean {
  return coversWhere(a, b) && coversMethods(a.methods, b.methods);
}

/** Every path of `b` is one of `a`. */
function coversWhere(a: HttpRule, b: HttpRule): boolean {
  return coversPath(a, b.path) && (a.prefix || !b.prefix);
}

function coversMethods(a: readonly string[], b: readonly string[]): boolean {
  return a.length === 0 || (b.length > 0 && b.every((method) => a.includes(method)));
}

function joinMethods(a: readonly string[] | undefined, b: readonly string[]): readonly string[] {
  if (a === undefined) return b;
  return a.length === 0 || b.length === 0 ? [] : [...new Set([...a, ...b])].sort();
}
