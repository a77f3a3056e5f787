/**
 * Where a run connected, as a policy says it: by name where a name that the run asked for leads there, else by address.
 */
import { isIPv6 } from 'node:net';
import { datagramProblem } from '../policy/datagram-rules.ts';
import { formatDestination, parseDestination } from '../policy/destination.ts';
import type { Destination } from '../policy/policy.ts';
import type { Connection } from './observations.ts';

/** Addresses that a name leads to, asked again after the run; none where it does not resolve. */
export type NameAnswers = ReadonlyMap<string, readonly string[]>;

export interface LearnedDestination {
  /** As in `network.allow`. */
  readonly text: string;
  /** Addresses that were connected to. */
  readonly addresses: readonly string[];
  /** `name`: the name led there; `likely`: it is the only name left that could have; `address`: no name is known. */
  readonly by: 'name' | 'likely' | 'address';
}

export interface Destinations {
  readonly allow: readonly LearnedDestination[];
  /** The host's own loopback, which shows inside no network namespace: `127.0.0.1:5432`. */
  readonly loopback: readonly string[];
  /** Datagrams that no filtered network lets out: to groups of hosts, for instance. */
  readonly unfit: readonly string[];
}

/**
 * @param answers names in the order in which they were asked for
 * @param listening ports on which the run itself listened; its own services it reaches inside as well
 */
export function learnDestinations(
  connections: readonly Connection[],
  answers: NameAnswers,
  listening: readonly number[],
): Destinations {
  const names = [...answers].map(([name, to], order) => ({ name, order, to: to.map(plain) }));
  const leadingTo = (address: string): readonly Name[] =>
    names.filter(({ to }) => to.includes(address));
  const tcp = connections.filter(({ protocol }) => protocol === 'tcp');
  const loopback = new Set<string>();
  const unfit = new Set<string>();
  const found = new Map<string, { addresses: Set<string>; by: LearnedDestination['by'] }>();
  const matched = new Set<string>();
  const open: Connection[] = [];
  const add = (
    host: string,
    { port, protocol, address }: Connection,
    by: LearnedDestination['by'],
  ) => {
    const rule = destination(host, port, protocol);
    const text = formatDestination(rule);
    if (protocol === 'udp' && datagramProblem(rule) !== undefined) {
      unfit.add(text);
      return;
    }
    const entry = found.get(text) ?? { addresses: new Set(), by };
    entry.addresses.add(plain(address));
    found.set(text, entry);
  };
  for (const connection of connections) {
    const { port, protocol, sent } = connection;
    const address = plain(connection.address);
    if (isLoopback(address)) {
      if (!listening.includes(port)) loopback.add(`${address}:${port}`);
      continue;
    }
    if (protocol === 'udp' && !sent && isTrial(connection, tcp, leadingTo)) continue;
    // A name that was asked for later did not lead there.
    const there = leadingTo(address).filter(({ order }) => order < connection.namesAtLast);
    if (there.length === 0) open.push(connection);
    else if (!there.some(({ order }) => order < connection.namesAtFirst)) {
      add(address, connection, 'address');
    }
    for (const { name } of there) {
      matched.add(name);
      add(name, connection, 'name');
    }
  }
  const left = names.filter(({ name, to }) => to.length > 0 && !matched.has(name));
  for (const connection of open) {
    const [only] = left;
    const isOnly = left.length === 1 && only !== undefined && only.order < connection.namesAtLast;
    if (isOnly) add(only.name, connection, 'likely');
    else add(plain(connection.address), connection, 'address');
  }
  return {
    allow: [...found]
      .map(([text, { addresses, by }]) => ({ text, by, addresses: [...addresses].sort() }))
      .sort((a, b) => (a.text < b.text ? -1 : 1)),
    loopback: [...loopback].sort(),
    unfit: [...unfit].sort(),
  };
}

interface Name {
  readonly name: string;
  readonly order: number;
  readonly to: readonly string[];
}

/**
 * getaddrinfo(3) connects a datagram socket to every address of a name, at the port that will be used, to see which way it
 * would go, and sends nothing.
 */
function isTrial(
  { address, port }: Connection,
  tcp: readonly Connection[],
  leadingTo: (address: string) => readonly Name[],
): boolean {
  const here = plain(address);
  const names = leadingTo(here);
  return tcp.some(({ address: other, port: used }) => {
    const there = plain(other);
    return used === port && (there === here || names.some(({ to }) => to.includes(there)));
  });
}

function destination(host: string, port: number, protocol: 'tcp' | 'udp'): Destination {
  const shown = isIPv6(host) ? `[${host}]` : host;
  return parseDestination(`${shown}:${port}/${protocol}`);
}

/** `::ffff:192.0.2.1` is 192.0.2.1. */
function plain(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

function isLoopback(address: string): boolean {
  return (
    address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::'
  );
}
