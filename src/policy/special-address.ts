/**
 * Addresses that are not the public internet's: what a name must not lead to unless a rule names the block.
 *
 * A name is its owner's to point anywhere. One that leads to the loopback, to a private network or to a cloud's
 * metadata service would lend the guest the place that the host has in its network (DNS rebinding).
 *
 * Sources: the IANA registries of special-purpose addresses (RFC 6890 and its updates), RFC 4193, RFC 6052, RFC 3056,
 * RFC 4380. The blocks for documentation (192.0.2.0/24 and its like) are left out: nothing is there.
 */
import { formatAddress, parseAddress, parseCidr } from './address.ts';

/** Block and what it is, read on after "is": the first that covers an address tells. */
export const SPECIAL_BLOCKS = [
  ['169.254.169.254/32', 'the metadata service of a cloud'],
  ['168.63.129.16/32', 'the platform service of a cloud'],
  ['100.100.100.200/32', 'the metadata service of a cloud'],
  ['fd00:ec2::254/128', 'the metadata service of a cloud'],
  ['0.0.0.0/8', 'of this host itself'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', "shared behind a carrier's NAT"],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'of a protocol'],
  ['192.88.99.0/24', 'a 6to4 relay'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'for benchmarks'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'of this host itself'],
  ['::1/128', 'loopback'],
  ['::ffff:0:0/96', 'an IPv4 address in IPv6 form'],
  ['64:ff9b::/96', 'an IPv4 address behind NAT64'],
  ['64:ff9b:1::/48', 'an IPv4 address behind NAT64'],
  ['2001::/23', 'of a protocol (Teredo and others)'],
  ['2002::/16', 'an IPv4 address behind 6to4'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
  // Global unicast is 2000::/3 alone (RFC 4291 section 2.4).
  ['::/3', 'not global'],
  ['4000::/2', 'not global'],
  ['8000::/1', 'not global'],
] as const;

interface SpecialRange {
  readonly from: bigint;
  readonly to: bigint;
  readonly what: string;
}

const ranges: Readonly<Record<4 | 6, readonly SpecialRange[]>> = {
  4: rangesOf(4),
  6: rangesOf(6),
};

function rangesOf(family: 4 | 6): SpecialRange[] {
  return SPECIAL_BLOCKS.flatMap(([block, what]) => {
    const range = parseCidr(block);
    return range?.family === family ? [{ from: range.from, to: range.to, what }] : [];
  });
}

/** What is special about an address (`private`, `loopback` …), or nothing. `undefined` also for what is no address. */
export function specialAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return (
    address &&
    ranges[address.family].find(({ from, to }) => from <= address.bits && address.bits <= to)?.what
  );
}

/**
 * One written form for each address: IPv4 in IPv6 form (`::ffff:1.2.3.4`, what a dual-stack socket says) is the IPv4
 * address that the kernel sends to. `undefined` for what is no address, a zone (`fe80::1%eth0`) included.
 */
export function plainAddress(text: string): string | undefined {
  const address = parseAddress(text);
  if (!address) return undefined;
  if (address.family === 6 && address.bits >> 32n === 0xffffn) {
    return formatAddress(4, address.bits & 0xffffffffn);
  }
  return formatAddress(address.family, address.bits);
}

/** Whether it is the machine's own way to itself, in either form of IPv4. Not for names, which may lead anywhere. */
export function isLoopback(text: string): boolean {
  const plain = plainAddress(text);
  return plain !== undefined && specialAddress(plain) === 'loopback';
}

/** IPv4 addresses that an IPv6 address carries and a gateway on the way would send to: NAT64, 6to4, Teredo, and the two old forms. */
export function carriedAddresses(text: string): readonly string[] {
  const address = parseAddress(text);
  if (!address || address.family === 4) return [];
  const { bits } = address;
  const low = bits & 0xffffffffn;
  const four = (value: bigint): string => formatAddress(4, value & 0xffffffffn);
  const top = bits >> 32n;
  // ::/96, ::ffff:0:0/96, ::ffff:0:0:0/96, 64:ff9b::/96
  if ([0n, 0xffffn, 0xffff0000n, 0x64ff9bn << 64n].includes(top)) return [four(low)];
  if (bits >> 112n === 0x2002n) return [four(bits >> 80n)];
  // Teredo: the server as it is, the client inverted (RFC 4380 section 4).
  if (bits >> 96n === 0x20010000n) return [four(bits >> 64n), four(~low)];
  return [];
}
