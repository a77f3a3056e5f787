/**
 * IP addresses and CIDR blocks as intervals of integers.
 *
 * Strict on purpose: `010.0.0.1`, `10.1` and `0x7f.1` mean different things to different parsers
 * (inet_aton(3) against RFC 6943 section 3.1.1), so they are refused.
 */

/** An interval of addresses; `from` and `to` are inclusive. */
export interface AddressRange {
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly to: bigint;
}

/** `10.0.0.0/8`, `10.1.2.3`, `::1/128`, `fd00::/8`; undefined when it is neither address nor block. */
export function parseCidr(text: string): AddressRange | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const value = parseAddress(address);
  if (!value || rest.length > 0) return undefined;
  const width = value.family === 4 ? 32 : 128;
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefix = length === undefined ? width : Number(length);
  if (prefix > width) return undefined;
  const size = 1n << BigInt(width - prefix);
  // Host bits set (10.1.2.3/8) is as often a slip as not; the caller says which block it would be.
  if (value.bits % size !== 0n) return undefined;
  return { family: value.family, from: value.bits, to: value.bits + size - 1n };
}

/** The block that `text` lies in, where it has host bits set: `10.1.2.3/8` → `10.0.0.0/8`. */
export function blockAround(text: string): string | undefined {
  const [address = '', length = ''] = text.split('/');
  const value = parseAddress(address);
  if (!value || !/^\d{1,3}$/.test(length)) return undefined;
  const width = value.family === 4 ? 32 : 128;
  if (Number(length) > width) return undefined;
  const size = 1n << BigInt(width - Number(length));
  return `${formatAddress(value.family, value.bits - (value.bits % size))}/${Number(length)}`;
}

/** Whether two written blocks mean the same is seen from their one written form. */
export function formatCidr(range: AddressRange): string {
  const width = range.family === 4 ? 32 : 128;
  const sizeBits = (range.to - range.from + 1n).toString(2).length - 1;
  return `${formatAddress(range.family, range.from)}/${width - sizeBits}`;
}

/** RFC 5952 without the dotted form for mapped addresses. */
export function formatAddress(family: 4 | 6, bits: bigint): string {
  if (family === 4) {
    const low = Number(bits & 0xffff_ffffn);
    return `${low >>> 24}.${(low >>> 16) & 255}.${(low >>> 8) & 255}.${low & 255}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => (bits >> BigInt(112 - 16 * i)) & 0xffffn);
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0n) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.length < 2) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

export function parseAddress(text: string): { family: 4 | 6; bits: bigint } | undefined {
  const four = parseV4(text);
  if (four !== undefined) return { family: 4, bits: four };
  const six = parseV6(text);
  return six === undefined ? undefined : { family: 6, bits: six };
}

const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${OCTET}\\.${OCTET}\\.${OCTET}\\.${OCTET}$`);

function parseV4(text: string): bigint | undefined {
  const parts = V4.exec(text);
  if (parts === null) return undefined;
  const [, a, b, c, d] = parts;
  return BigInt(((Number(a) * 256 + Number(b)) * 256 + Number(c)) * 256 + Number(d));
}

function parseV6(text: string): bigint | undefined {
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(':')) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === '' ? [] : groupsOf(half)));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const known = head.length + (tail?.length ?? 0);
  if (halves.length === 1 ? known !== 8 : known > 7) return undefined;
  const groups = [...head, ...Array<bigint>(8 - known).fill(0n), ...(tail ?? [])];
  return groups.reduce((bits, group) => (bits << 16n) | group, 0n);
}

function groupsOf(half: string): bigint[] | undefined {
  const groups: bigint[] = [];
  const parts = half.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.') && i === parts.length - 1) {
      const four = parseV4(part);
      if (four === undefined) return undefined;
      groups.push(four >> 16n, four & 0xffffn);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(BigInt(`0x${part}`));
    } else {
      return undefined;
    }
  }
  return groups;
}
