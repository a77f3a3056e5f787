/**
 * Sets of destinations under union, intersection and difference, all exact.
 *
 * The universe is (name or address) × port × protocol × (a request, or what is none). A set is a union of terms "what these rules
 * allow and those do not deny"; that form is closed under the three operations, because two
 * patterns either nest or are disjoint, and so intersect in a pattern or in nothing.
 *
 * Questions are decided at one representative of each class of points that no rule tells apart.
 */
import { formatAddress, parseAddress, parseCidr } from './address.ts';
import { canonicalRules, coversHost, coversRule, rangeCovers } from './canonical-rules.ts';
import { mergePorts } from './destination.ts';
import type { Destination } from './policy.ts';
import {
  coversProtocol,
  isPacketProtocol,
  type Protocol,
  representativeProtocols,
} from './protocol.ts';
import {
  containsRequest,
  intersectRequests,
  type RequestPoint,
  representativeRequests,
} from './request-set.ts';

export { canonicalRules, coversHost, coversRule };

export interface DestinationTerm {
  readonly allow: readonly Destination[];
  readonly deny: readonly Destination[];
}

export interface DestinationSet {
  readonly terms: readonly DestinationTerm[];
}

/** One connection: to a name, or to an address given as such; with what it carries. */
export interface DestinationPoint {
  readonly host: string;
  readonly port: number;
  readonly protocol: Exclude<Protocol, 'raw'>;
  /** Absent: what is no request, such as a protocol other than HTTP. */
  readonly request?: RequestPoint;
}

export const NO_DESTINATIONS: DestinationSet = { terms: [] };

export function destinationSet(
  allow: readonly Destination[],
  deny: readonly Destination[] = [],
): DestinationSet {
  return allow.length === 0 ? NO_DESTINATIONS : { terms: [{ allow, deny }] };
}

export function containsDestination(set: DestinationSet, point: DestinationPoint): boolean {
  return set.terms.some(
    (term) =>
      term.allow.some((rule) => matches(rule, point)) &&
      !term.deny.some((rule) => matches(rule, point)),
  );
}

export function unionDestinations(a: DestinationSet, b: DestinationSet): DestinationSet {
  return { terms: [...a.terms, ...b.terms] };
}

export function intersectDestinations(a: DestinationSet, b: DestinationSet): DestinationSet {
  return prune(
    a.terms.flatMap((left) =>
      b.terms.map((right) => ({
        allow: intersectRules(left.allow, right.allow),
        deny: dedupe([...left.deny, ...right.deny]),
      })),
    ),
  );
}

/** a \ (A \ D) is (a \ A) ∪ (a ∩ D), term by term. */
export function subtractDestinations(a: DestinationSet, b: DestinationSet): DestinationSet {
  return b.terms.reduce<DestinationSet>(
    (rest, away) =>
      prune(
        rest.terms.flatMap((term) => [
          { allow: term.allow, deny: dedupe([...term.deny, ...away.allow]) },
          { allow: intersectRules(term.allow, away.deny), deny: term.deny },
        ]),
      ),
    a,
  );
}

export function isEmptyDestinations(set: DestinationSet): boolean {
  return destinationWitness(NO_DESTINATIONS, set) === undefined;
}

/** A point of `b` that `a` lacks; nothing when `a` holds all of `b`. */
export function destinationWitness(
  a: DestinationSet,
  b: DestinationSet,
): DestinationPoint | undefined {
  return findPoint(
    [b, a],
    (point) => containsDestination(b, point) && !containsDestination(a, point),
  );
}

/** The first of the representatives of all classes that `wanted` holds for. */
export function findPoint(
  sets: readonly DestinationSet[],
  wanted: (point: DestinationPoint) => boolean,
): DestinationPoint | undefined {
  const rules = sets.flatMap((set) => set.terms.flatMap((term) => [...term.allow, ...term.deny]));
  const hosts = representativeHosts(rules);
  const ports = representativePorts(rules);
  const protocols = representativeProtocols(rules);
  for (const host of hosts) {
    for (const port of ports) {
      for (const protocol of protocols) {
        const point = { host, port, protocol };
        if (wanted(point)) return point;
        const here = rules.filter((rule) => rule.http !== undefined && reaches(rule, point));
        if (here.length === 0) continue;
        const requests = representativeRequests(here.flatMap(({ http = [] }) => http));
        const request = requests.find((one) => wanted({ ...point, request: one }));
        if (request) return { ...point, request };
      }
    }
  }
  return undefined;
}

/** `example.org:443`, `[::1]:53/udp`, `192.0.2.1/icmp`. */
export function formatPoint({ host, port, protocol }: DestinationPoint): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  if (isPacketProtocol(protocol))
    return `${shown}/${typeof protocol === 'number' ? 'protocol ' : ''}${protocol}`;
  return `${shown}:${port}${protocol === 'udp' ? '/udp' : ''}`;
}

/** Whether one rule covers a connection; a block covers connections to the address itself, not by name. */
export function matches(rule: Destination, point: DestinationPoint): boolean {
  return reaches(rule, point) && containsRequest(rule.http, point.request);
}

/** The same, whatever the connection carries. */
export function reaches(rule: Destination, point: DestinationPoint): boolean {
  return (
    coversProtocol(rule.protocol, point.protocol) &&
    rule.ports.some(({ from, to }) => from <= point.port && point.port <= to) &&
    matchesHost(rule.host, point.host)
  );
}

/** The rules for what two lists of rules both cover. */
export function intersectRules(
  a: readonly Destination[],
  b: readonly Destination[],
): readonly Destination[] {
  return dedupe(a.flatMap((left) => b.flatMap((right) => intersectRule(left, right) ?? [])));
}

function intersectRule(a: Destination, b: Destination): Destination | undefined {
  const host = intersectHosts(a.host, b.host);
  const ports = mergePorts(
    a.ports.flatMap((left) =>
      b.ports.flatMap((right) => {
        const from = Math.max(left.from, right.from);
        const to = Math.min(left.to, right.to);
        return from <= to ? [{ from, to }] : [];
      }),
    ),
  );
  const protocol = intersectProtocols(a.protocol, b.protocol);
  if (host === undefined || ports.length === 0 || protocol === undefined) return undefined;
  const http = intersectRequests(a.http, b.http);
  if (http?.length === 0) return undefined;
  return { host, ports, protocol, ...(http === undefined ? {} : { http }) };
}

function intersectProtocols(a: Protocol, b: Protocol): Protocol | undefined {
  if (coversProtocol(a, b)) return b;
  return coversProtocol(b, a) ? a : undefined;
}

/** The hosts that both patterns stand for: a pattern, or nothing. */
export function intersectHosts(a: string, b: string): string | undefined {
  if (coversHost(a, b)) return b;
  return coversHost(b, a) ? a : undefined;
}

function matchesHost(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  const address = parseAddress(host);
  const block = parseCidr(pattern);
  if (address || block) {
    return Boolean(
      address &&
        block &&
        rangeCovers(block, { family: address.family, from: address.bits, to: address.bits }),
    );
  }
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

/**
 * For a whole name itself; for `*.x` a child of x that no rule names; for a block its first
 * address and the first after it; and a name and addresses that only `*` covers.
 */
function representativeHosts(rules: readonly Destination[]): string[] {
  const patterns = new Set(rules.map((rule) => rule.host));
  const labels = new Set([...patterns].flatMap((pattern) => pattern.split('.')));
  let fresh = 'any';
  while (labels.has(fresh)) fresh += 'x';
  const hosts = new Set<string>();
  for (const pattern of patterns) {
    const block = parseCidr(pattern);
    if (block) {
      hosts.add(formatAddress(block.family, block.from));
      const last = (1n << (block.family === 4 ? 32n : 128n)) - 1n;
      if (block.to < last) hosts.add(formatAddress(block.family, block.to + 1n));
    } else if (pattern.startsWith('*.')) {
      hosts.add(`${fresh}.${pattern.slice(2)}`);
    } else if (pattern !== '*') {
      hosts.add(pattern);
    }
  }
  return [...hosts, `${fresh}.example`, '0.0.0.0', '::'].filter(
    (host, i, all) => all.indexOf(host) === i,
  );
}

function representativePorts(rules: readonly Destination[]): number[] {
  const ranges = rules.flatMap((rule) => rule.ports);
  const ports = ranges.flatMap(({ from, to }) => [from, to + 1]).filter((port) => port <= 65535);
  return [...new Set([...ports, 1])];
}

function prune(terms: readonly DestinationTerm[]): DestinationSet {
  return {
    terms: terms.filter(
      (term) =>
        term.allow.length > 0 &&
        !term.allow.every((rule) => term.deny.some((deny) => coversRule(deny, rule))),
    ),
  };
}

function dedupe(rules: readonly Destination[]): readonly Destination[] {
  return rules.length < 2 ? rules : canonicalRules(rules);
}
