/**
 * One DNS query of the guest, answered. What is not allowed is refused and goes nowhere: a name that is looked up
 * carries what it says to whoever owns its zone.
 *
 * Addresses alone are answered. HTTPS and SVCB records would bring the keys of encrypted hellos, TXT and others bytes
 * of the zone's owner; they are empty (NODATA). RFC 1035, RFC 6891 (EDNS), RFC 8914 (the reason, for those who look).
 */
import {
  decode,
  encode,
  type Packet,
  type PacketOpt,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
} from 'dns-packet';
import { hostName } from '../policy/host-name.ts';
import type { CheckedNames } from './checked-names.ts';
import type { Judge } from './judge.ts';

/** Queries longer than this are not queries for a name. */
export const QUERY_MAX_BYTES = 1024;
const PLAIN_UDP_BYTES = 512;
/** What crosses every network unfragmented (DNS Flag Day 2020); here it never leaves the loopback. */
const EDNS_UDP_BYTES = 1232;
const HEADER_BYTES = 12;
const CODE = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const TRUNCATED = 1 << 9;
const EDE_OPTION = 15;
const EDE_PROHIBITED = 18;
/** Nothing that the guest keeps may outlive what was checked for long. */
const TTL_MAX_SECONDS = 300;

/** Who decides upon names and knows their addresses. */
export interface NameSource extends Pick<Judge, 'name' | 'reportName'> {
  readonly names: Pick<CheckedNames, 'resolve'>;
}

interface Reply {
  readonly code: number;
  readonly addresses?: readonly { readonly address: string; readonly ttlSeconds: number }[];
  readonly reason?: string;
}

/** @returns Undefined: no answer, as to what is no query. */
export async function answerQuery(
  judge: NameSource,
  bytes: Buffer,
  transport: 'udp' | 'tcp',
): Promise<Buffer | undefined> {
  // The header says whether it is a query; with the flag QR an answer would begin a loop.
  if (bytes.length < HEADER_BYTES || ((bytes[2] ?? 0) & 0x80) !== 0) return undefined;
  if (bytes.length > QUERY_MAX_BYTES) return failure(bytes, CODE.FORMERR);
  if (((bytes[2] ?? 0) & 0x78) !== 0) return failure(bytes, CODE.NOTIMP);
  const query = read(bytes);
  const [question] = query?.questions ?? [];
  if (query === undefined || question === undefined || query.questions?.length !== 1) {
    return failure(bytes, CODE.FORMERR);
  }
  const reply = question.class === 'IN' ? await replyTo(judge, question) : { code: CODE.REFUSED };
  return write(query, reply, transport) ?? failure(bytes, CODE.SERVFAIL);
}

async function replyTo(
  judge: NameSource,
  question: { name: string; type: string },
): Promise<Reply> {
  const { type } = question;
  const name = hostName(question.name);
  const family = type === 'A' ? 4 : type === 'AAAA' ? 6 : undefined;
  // RFC 6761: the guest's own loopback, known without asking.
  if (name === 'localhost' || name?.endsWith('.localhost')) {
    const address = family === 6 ? '::1' : '127.0.0.1';
    return { code: 0, addresses: family === undefined ? [] : [{ address, ttlSeconds: 60 }] };
  }
  // Who is at an address: nothing that a rule allows needs it, and what is asked for says what was connected to.
  if (type === 'PTR') return { code: CODE.REFUSED };
  const decision = await judge.name(question.name);
  if (!decision.allowed || name === undefined) {
    return { code: CODE.REFUSED, reason: decision.reason };
  }
  if (family === undefined) return { code: 0 };
  const found = await judge.names.resolve(name, family);
  if (found.kind === 'absent') return { code: CODE.NXDOMAIN };
  if (found.kind === 'failed') return { code: CODE.SERVFAIL, reason: found.reason };
  if (found.leftOut !== undefined) judge.reportName(name, found.leftOut);
  if (found.leftOut !== undefined && found.addresses.length === 0) {
    return { code: CODE.REFUSED, reason: found.leftOut.reason };
  }
  return { code: 0, addresses: found.addresses };
}

function read(bytes: Buffer): Packet | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

function write(query: Packet, reply: Reply, transport: 'udp' | 'tcp'): Buffer | undefined {
  const [question] = query.questions ?? [];
  const asked = query.additionals?.find((record) => record.type === 'OPT');
  const packet: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags: ((query.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | reply.code,
    questions: query.questions ?? [],
    answers: (reply.addresses ?? []).map(({ address, ttlSeconds }) => ({
      name: question?.name ?? '',
      type: address.includes(':') ? 'AAAA' : 'A',
      ttl: Math.min(ttlSeconds, TTL_MAX_SECONDS),
      data: address,
    })),
    additionals: asked === undefined ? [] : [extended(reply.reason)],
  };
  try {
    const bytes = encode(packet);
    const most = asked === undefined ? PLAIN_UDP_BYTES : EDNS_UDP_BYTES;
    if (transport === 'tcp' || bytes.length <= most) return bytes;
    return encode({ ...packet, flags: (packet.flags ?? 0) | TRUNCATED, answers: [] });
  } catch {
    return undefined;
  }
}

function extended(reason: string | undefined): NonNullable<Packet['additionals']>[number] {
  const text = Buffer.from(reason?.slice(0, 400) ?? '');
  const data = Buffer.concat([Buffer.from([0, EDE_PROHIBITED]), text]);
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: EDNS_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    // The types know no RFC 8914; the encoder writes any code with its data.
    options: reason === undefined ? [] : ([{ code: EDE_OPTION, data }] as unknown as PacketOpt[]),
  };
}

/** The header alone, of which each answer must have the id. */
function failure(query: Buffer, code: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header[2] = 0x80 | ((query[2] ?? 0) & 0x79);
  header[3] = 0x80 | code;
  return header;
}
