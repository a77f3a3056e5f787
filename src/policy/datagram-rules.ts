/**
 * Which destinations of datagrams a policy opens. A socket stands for each address and port (`network/datagram-relay.ts`),
 * so a rule must be narrow enough to be counted. Pure.
 */
import { formatAddress, parseCidr } from './address.ts';
import type { Destination, NetworkPolicy } from './policy.ts';
import { specialAddress } from './special-address.ts';

/** Address × port of one rule with an address or block. */
export const DATAGRAM_BLOCK_MAX = 64;
/** Ports of one rule with a name. */
export const DATAGRAM_PORTS_MAX = 16;
/** Address × port of all rules with an address or block. */
export const DATAGRAM_FIXED_MAX = 256;

/** Its socket inside would be bound at port 0 (`native/launcher/nftables.h`). */
const NO_PORT = 65_535;

export interface DatagramDestination {
  readonly address: string;
  readonly port: number;
}

/** Why no socket can stand for each destination of this rule; `undefined` where one can. */
export function datagramProblem(rule: Destination): string | undefined {
  const block = parseCidr(rule.host);
  const ports = countPorts(rule);
  const last = rule.ports.some(({ to }) => to === NO_PORT)
    ? `it names port ${NO_PORT}, to which no datagram is let through`
    : undefined;
  if (block === undefined) {
    return ports > DATAGRAM_PORTS_MAX
      ? `it names ${ports} ports, and ${DATAGRAM_PORTS_MAX} is the most for a name`
      : last;
  }
  const size = block.to - block.from + 1n;
  if (size * BigInt(ports) > BigInt(DATAGRAM_BLOCK_MAX)) {
    return `it covers ${size * BigInt(ports)} pairs of address and port, and ${DATAGRAM_BLOCK_MAX} is the most`;
  }
  if (last !== undefined) return last;
  const unfit = addressesOf(rule).find((address) => unreachable(address) !== undefined);
  return unfit === undefined
    ? undefined
    : `${unfit} is ${unreachable(unfit)}: no datagram leaves for it`;
}

/** Why no datagram leaves for an address at all, whatever the rules: it is the guest's own, or no single host's. */
export function unreachable(address: string): string | undefined {
  const what = specialAddress(address);
  return what !== undefined && NO_HOST.has(what) ? what : undefined;
}

/** What rules with an address or block open from the beginning. Rules that have a problem open nothing. */
export function fixedDatagrams({ mode, allow }: NetworkPolicy): DatagramDestination[] {
  if (mode !== 'filtered') return [];
  const found = new Map<string, DatagramDestination>();
  for (const rule of datagramRules(allow).filter(({ host }) => parseCidr(host) !== undefined)) {
    for (const address of addressesOf(rule)) {
      for (const port of portsOf(rule)) found.set(`${address} ${port}`, { address, port });
    }
  }
  return [...found.values()];
}

/** Ports that rules with a name open for some name or other. */
export function namedDatagramPorts({ mode, allow }: NetworkPolicy): number[] {
  if (mode !== 'filtered') return [];
  const named = datagramRules(allow).filter(({ host }) => parseCidr(host) === undefined);
  return [...new Set(named.flatMap(portsOf))];
}

const NO_HOST: ReadonlySet<string> = new Set([
  'loopback',
  'of this host itself',
  'multicast',
  'reserved',
  'an IPv4 address in IPv6 form',
]);

function datagramRules(allow: readonly Destination[]): Destination[] {
  return allow.filter((rule) => rule.protocol === 'udp' && datagramProblem(rule) === undefined);
}

function countPorts({ ports }: Destination): number {
  return ports.reduce((total, { from, to }) => total + to - from + 1, 0);
}

function portsOf({ ports }: Destination): number[] {
  return ports.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
}

/** Of a rule whose block is known to be small. */
function addressesOf({ host }: Destination): string[] {
  const block = parseCidr(host);
  if (block === undefined) return [];
  const count = Number(block.to - block.from) + 1;
  return Array.from({ length: count }, (_, i) =>
    formatAddress(block.family, block.from + BigInt(i)),
  );
}
