/**
 * Where a run connected, as a policy says it: by name where a name that the run asked for leads there, else by address.
 */
import { isIPv6 } from 'node:net';
import { formatDestination, parseDestination } from '../policy/destination.ts';
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
}

/** @param listening ports on which the run itself listened; its own services it reaches inside as well */
export function learnDestinations(
  connections: readonly Connection[],
  answers: NameAnswers,
  listening: readonly number[],
): Destinations {
  const tcp = new Set(
    connections.filter(({ protocol }) => protocol === 'tcp').map(({ address }) => plain(address)),
  );
  const loopback = new Set<string>();
  const found = new Map<string, { addresses: Set<string>; by: LearnedDestination['by'] }>();
  const matched = new Set<string>();
  const open: Connection[] = [];
  const add = (
    host: string,
    { port, protocol, address }: Connection,
    by: LearnedDestination['by'],
  ) => {
    const text = destinationText(host, port, protocol);
    const entry = found.get(text) ?? { addresses: new Set(), by };
    entry.addresses.add(plain(address));
    found.set(text, entry);
  };
  for (const connection of connections) {
    const { port, protocol } = connection;
    const address = plain(connection.address);
    if (isLoopback(address)) {
      if (!listening.includes(port)) loopback.add(`${address}:${port}`);
      continue;
    }
    // getaddrinfo(3) connects a datagram socket to each address to see which way it would go, and sends nothing.
    if (protocol === 'udp' && tcp.has(address)) continue;
    const names = [...answers].filter(([, addresses]) => addresses.map(plain).includes(address));
    if (names.length === 0) open.push(connection);
    for (const [name] of names) {
      matched.add(name);
      add(name, connection, 'name');
    }
  }
  const left = [...answers].filter(([name, to]) => to.length > 0 && !matched.has(name));
  for (const connection of open) {
    const [only] = left;
    if (left.length === 1 && only !== undefined) add(only[0], connection, 'likely');
    else add(plain(connection.address), connection, 'address');
  }
  return {
    allow: [...found]
      .map(([text, { addresses, by }]) => ({ text, by, addresses: [...addresses].sort() }))
      .sort((a, b) => (a.text < b.text ? -1 : 1)),
    loopback: [...loopback].sort(),
  };
}

function destinationText(host: string, port: number, protocol: 'tcp' | 'udp'): string {
  const shown = isIPv6(host) ? `[${host}]` : host;
  return formatDestination(parseDestination(`${shown}:${port}/${protocol}`));
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
