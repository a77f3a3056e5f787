/**
 * The protocols that a destination may name. TCP and UDP have ports and a proxy; the others are packets by address.
 *
 * Source of the numbers: IANA's registry of protocol numbers (RFC 5237).
 */
import type { Destination } from './policy.ts';

export type Protocol = Destination['protocol'];
/** What is neither TCP nor UDP. */
export type PacketProtocol = Exclude<Protocol, 'tcp' | 'udp'>;

const numbers = { icmp: 1, gre: 47, esp: 50, icmpv6: 58, sctp: 132 } as const;
const TCP = 6;
const UDP = 17;
/** Left for experiments: whatever `raw` covers, and no name stands for. */
const EXPERIMENTAL = 253;

/** A number that has a name is written by that; `undefined` for TCP's, UDP's and what is none. */
export function packetProtocol(text: string): PacketProtocol | undefined {
  if (text === 'raw' || Object.hasOwn(numbers, text)) return text as PacketProtocol;
  if (!/^\d{1,3}$/.test(text)) return undefined;
  const number = Number(text);
  if (number > 255 || number === TCP || number === UDP) return undefined;
  const named = Object.entries(numbers).find(([, known]) => known === number);
  return named === undefined ? number : (named[0] as PacketProtocol);
}

export function isPacketProtocol(protocol: Protocol): protocol is PacketProtocol {
  return protocol !== 'tcp' && protocol !== 'udp';
}

/** For a rule of packets. */
export function isPacketRule(rule: Destination): boolean {
  return isPacketProtocol(rule.protocol);
}

/** The number in an IP header; `raw` has none. */
export function protocolNumber(protocol: Exclude<Protocol, 'raw'>): number {
  if (protocol === 'tcp') return TCP;
  if (protocol === 'udp') return UDP;
  return typeof protocol === 'number' ? protocol : numbers[protocol];
}

/** Whether everything of `b` is of `a`, too. Of two, either one covers the other or they share nothing. */
export function coversProtocol(a: Protocol, b: Protocol): boolean {
  return a === b || (a === 'raw' && isPacketProtocol(b));
}

/** One protocol for each class that no rule tells apart; TCP and UDP first. */
export function representativeProtocols(
  rules: readonly Destination[],
): readonly Exclude<Protocol, 'raw'>[] {
  const named = new Set(rules.map(({ protocol }) => protocol).filter(isPacketProtocol));
  const single = [...named].filter((protocol) => protocol !== 'raw');
  if (!named.has('raw')) return ['tcp', 'udp', ...single];
  let fresh = EXPERIMENTAL;
  while (single.includes(fresh)) fresh--;
  return ['tcp', 'udp', 'icmp', ...single, fresh].filter(
    (protocol, i, all) => all.indexOf(protocol) === i,
  ) as readonly Exclude<Protocol, 'raw'>[];
}
