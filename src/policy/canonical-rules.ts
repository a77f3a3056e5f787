/**
 * Rules about destinations: which one covers another, and one form for lists that say the same.
 */
import { type AddressRange, parseCidr } from './address.ts';
import { formatDestination, mergePorts } from './destination.ts';
import { formatHttpRule } from './http-rule.ts';
import type { Destination } from './policy.ts';
import { coversProtocol } from './protocol.ts';
import {
  canonicalRequests,
  coversRequests,
  type RequestSet,
  unionRequests,
} from './request-set.ts';

/** Whether every host that `b` stands for, `a` stands for, too. */
export function coversHost(a: string, b: string): boolean {
  if (a === '*' || a === b) return true;
  const blockA = parseCidr(a);
  const blockB = parseCidr(b);
  if (blockA || blockB) return Boolean(blockA && blockB && rangeCovers(blockA, blockB));
  return a.startsWith('*.') && b.endsWith(a.slice(1));
}

export function rangeCovers(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.from <= b.from && b.to <= a.to;
}

/** Whether everything that rule `b` covers, rule `a` covers, too. */
export function coversRule(a: Destination, b: Destination): boolean {
  return (
    coversProtocol(a.protocol, b.protocol) &&
    coversHost(a.host, b.host) &&
    b.ports.every((port) => a.ports.some(({ from, to }) => from <= port.from && port.to <= to)) &&
    coversRequests(a.http, b.http)
  );
}

/** Sorted, each once, none that another covers; for one host and port one rule. */
export function canonicalRules(rules: readonly Destination[]): readonly Destination[] {
  const byHost = Map.groupBy(rules, ({ host, protocol }) => `${host} ${protocol}`);
  const merged = [...byHost.values()].flatMap(mergeOneHost);
  return merged
    .filter((rule) => !merged.some((other) => other !== rule && coversRule(other, rule)))
    .sort((a, b) => (writtenForm(a) < writtenForm(b) ? -1 : 1));
}

/**
 * The same for rules that allow. `*` allows any name, and not every address (`decide-connection.ts`), so that it
 * covers no block.
 */
export function canonicalAllow(rules: readonly Destination[]): readonly Destination[] {
  const [blocks, names] = [true, false].map((wanted) =>
    canonicalRules(rules.filter(({ host }) => (parseCidr(host) !== undefined) === wanted)),
  );
  return [...(blocks ?? []), ...(names ?? [])].sort((a, b) =>
    writtenForm(a) < writtenForm(b) ? -1 : 1,
  );
}

/** Rules of one host and protocol: what each port allows, then ports that allow the same together. */
function mergeOneHost(rules: readonly Destination[]): Destination[] {
  const [{ host, protocol }] = rules as readonly [Destination, ...Destination[]];
  const one = (ports: Destination['ports'], http: RequestSet): Destination => {
    return { host, ports, protocol, ...(http === undefined ? {} : { http }) };
  };
  if (rules.every(({ http }) => http === undefined)) {
    return [one(mergePorts(rules.flatMap(({ ports }) => ports)), undefined)];
  }
  const ranges = rules.flatMap((rule) => rule.ports);
  const edges = [...new Set(ranges.flatMap(({ from, to }) => [from, to + 1]))].sort(
    (a, b) => a - b,
  );
  const bySet = new Map<string, { ports: { from: number; to: number }[]; http: RequestSet }>();
  for (const [i, from] of edges.entries()) {
    const here = rules.filter(({ ports }) =>
      ports.some((range) => range.from <= from && from <= range.to),
    );
    const [first, ...rest] = here;
    if (!first) continue;
    const start = first.http && canonicalRequests(first.http);
    const http = rest.reduce<RequestSet>((set, rule) => unionRequests(set, rule.http), start);
    const key = http === undefined ? '' : JSON.stringify(http.map(formatHttpRule));
    const group = bySet.get(key) ?? { ports: [], http };
    group.ports.push({ from, to: (edges[i + 1] ?? from + 1) - 1 });
    bySet.set(key, group);
  }
  return [...bySet.values()].map(({ ports, http }) => one(mergePorts(ports), http));
}

function writtenForm(rule: Destination): string {
  return [formatDestination(rule), ...(rule.http ?? []).map(formatHttpRule)].join(' ');
}
