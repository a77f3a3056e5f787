/**
 * What a name server's answer says of one name's addresses. Pure.
 *
 * RFC 1035 section 4.1; aliases as in RFC 1034 section 3.6.2: of the records, those alone count that the name leads to.
 */
import { type Answer, encode } from 'dns-packet';
import { type AddressRecord, CLASS_IN, readMessage, TYPE } from './address-records.ts';

export interface AddressQuestion {
  /** In its one form (`hostName`). */
  readonly name: string;
  readonly family: 4 | 6;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly ttlSeconds: number;
}

export type NameAnswer =
  /** None: the name is there, and has no address of this family. */
  | { readonly kind: 'addresses'; readonly addresses: readonly ResolvedAddress[] }
  /** There is no such name (NXDOMAIN). */
  | { readonly kind: 'absent' }
  /** To be asked again over TCP. */
  | { readonly kind: 'truncated' }
  /** The server does not understand EDNS, or the query. */
  | { readonly kind: 'not-understood' }
  | { readonly kind: 'failed'; readonly code: string }
  /** No answer to this question. */
  | { readonly kind: 'foreign' };

/** Of one answer: its owner may be the guest's friend, and give thousands for each of its names. */
const ADDRESSES_MAX = 64;
const ALIASES_MAX = 16;
/** What crosses every network unfragmented (DNS Flag Day 2020): a fragment carries neither id nor port to check. */
const UDP_BYTES = 1232;
const RECURSION_DESIRED = 0x100;
const RCODE = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const TTL_MAX = 0x7fff_ffff;

/** @param extended With EDNS (RFC 6891), which every server of this century knows. */
export function writeQuestion(question: AddressQuestion, id: number, extended: boolean): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name: question.name, type: typeOf(question), class: 'IN' }],
    additionals: extended ? [OPT] : [],
  });
}

/** @param bytes Their id is known to be the question's. */
export function readAnswer(bytes: Buffer, question: AddressQuestion): NameAnswer {
  const message = readMessage(bytes);
  if (message === undefined || !message.isResponse) return { kind: 'foreign' };
  const { code, answers } = message;
  const [asked, ...others] = message.questions;
  // Who did not understand a query may answer with the header alone. Nothing is taken from that but to ask otherwise.
  if (asked === undefined && (code === RCODE.FORMERR || code === RCODE.NOTIMP)) {
    return { kind: 'not-understood' };
  }
  if (
    asked === undefined ||
    others.length > 0 ||
    asked.name !== question.name ||
    asked.type !== TYPE[typeOf(question)] ||
    asked.class !== CLASS_IN
  ) {
    return { kind: 'foreign' };
  }
  if (message.isTruncated) return { kind: 'truncated' };
  if (code === RCODE.NXDOMAIN) return { kind: 'absent' };
  if (code === RCODE.FORMERR || code === RCODE.NOTIMP) return { kind: 'not-understood' };
  if (code !== 0) return { kind: 'failed', code: nameOf(code) };
  return { kind: 'addresses', addresses: addressesIn(answers, question) };
}

function addressesIn(
  records: readonly AddressRecord[],
  question: AddressQuestion,
): ResolvedAddress[] {
  const type = typeOf(question);
  const aliases = new Map<string, { readonly to: string; readonly ttlSeconds: number }>();
  for (const record of records) {
    if (record.type !== 'CNAME' || aliases.size >= ALIASES_MAX) continue;
    aliases.set(record.name, { to: record.data, ttlSeconds: secondsOf(record) });
  }
  let name = question.name;
  let most = TTL_MAX;
  const seen = new Set<string>();
  for (let alias = aliases.get(name); alias && !seen.has(name); alias = aliases.get(name)) {
    seen.add(name);
    name = alias.to;
    most = Math.min(most, alias.ttlSeconds);
  }
  const addresses: ResolvedAddress[] = [];
  for (const record of records) {
    if (record.type !== type || record.name !== name) continue;
    addresses.push({ address: record.data, ttlSeconds: Math.min(most, secondsOf(record)) });
    if (addresses.length === ADDRESSES_MAX) break;
  }
  return addresses;
}

/** RFC 2181 section 8: what has the highest bit set is none. */
function secondsOf({ ttl }: AddressRecord): number {
  return ttl > TTL_MAX ? 0 : ttl;
}

function typeOf({ family }: AddressQuestion): 'A' | 'AAAA' {
  return family === 4 ? 'A' : 'AAAA';
}

function nameOf(code: number): string {
  return Object.entries(RCODE).find(([, known]) => known === code)?.[0] ?? `RCODE${code}`;
}

const OPT = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
} satisfies Answer;
