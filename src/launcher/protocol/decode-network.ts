/**
 * What a filtered network counted, from bytes (protocol/PROTOCOL.md, "Result", 21 and 22); written in C by
 * native/launcher/traffic.c.
 */
import { malformed, readAmount, readFields, readU32 } from './fields.ts';

/** Since the sandbox was made. */
export interface RawNetwork {
  /** From the guest to its proxy, questions to the resolver included; bytes with their IP and TCP headers. */
  readonly sentBytes: number;
  readonly sentPackets: number;
  /** From the proxy to the guest. */
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  /** All of them, also those that were too many to be listed. */
  readonly refusedPackets: number;
  /** By destination, at most 1024. What the proxy itself refuses is not among them. */
  readonly refused: readonly RawRefusal[];
}

export interface RawRefusal {
  /**
   * Any other by the number that IP has for it. `tcp` only where nobody listened any more, or where the guest asked for the
   * listener's own port.
   */
  readonly protocol: 'tcp' | 'udp' | 'icmp' | number;
  /** As text, without brackets. */
  readonly address: string;
  /** 0 where the protocol has none. */
  readonly port: number;
  readonly packets: number;
}

const protocols: Readonly<Record<number, 'tcp' | 'udp' | 'icmp'>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp',
};

export function decodeRefusal(body: Buffer): RawRefusal {
  let protocol = 0;
  let address = '';
  let port = 0;
  let packets = 0;
  for (const field of readFields(body)) {
    if (field.tag === 1) protocol = readU32(field);
    else if (field.tag === 2) address = addressText(field.body);
    else if (field.tag === 3) port = readU32(field);
    else if (field.tag === 4) packets = readAmount(field);
    else throw malformed(`a refusal has an unknown field ${field.tag}`);
  }
  if (address === '') throw malformed('a refusal has no address');
  return { protocol: protocols[protocol] ?? protocol, address, port, packets };
}

export function decodeTraffic(body: Buffer): Omit<RawNetwork, 'refused'> {
  const amounts: [number, number, number, number, number] = [0, 0, 0, 0, 0];
  for (const field of readFields(body)) {
    if (field.tag < 1 || field.tag > amounts.length) {
      throw malformed(`network has an unknown field ${field.tag}`);
    }
    amounts[field.tag - 1] = readAmount(field);
  }
  const [sentBytes, sentPackets, receivedBytes, receivedPackets, refusedPackets] = amounts;
  return { sentBytes, sentPackets, receivedBytes, receivedPackets, refusedPackets };
}

/** 16 bytes, IPv4 as ::ffff:a.b.c.d; the longest run of zeros is left out (RFC 5952). */
function addressText(bytes: Buffer): string {
  if (bytes.length !== 16) throw malformed('an address is not 16 bytes');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [...bytes.subarray(12)].join('.');
  }
  let start = -1;
  let length = 1;
  for (let from = 0; from < groups.length; from++) {
    let to = from;
    while (groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  return start < 0
    ? hex(groups)
    : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}
