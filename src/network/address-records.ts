/**
 * Reads a name server's message as far as it says where a name leads: its flags, what it answers, and the addresses and
 * aliases among its answers. RFC 1035 section 4.1.
 *
 * Written by whoever answers, and read in the process that serves every sandbox: the work is linear in the bytes. A
 * reader that follows each compressed name to its end takes a third of a second for 64 KiB of pointers to pointers.
 */
import { formatAddress } from '../policy/address.ts';

export interface AddressRecord {
  /** Lower case, without a dot at the end. */
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'CNAME';
  readonly ttl: number;
  /** An address, or for CNAME a name in the form of {@link name}. */
  readonly data: string;
}

export interface AddressMessage {
  readonly isResponse: boolean;
  readonly code: number;
  readonly isTruncated: boolean;
  readonly questions: readonly {
    readonly name: string;
    readonly type: number;
    readonly class: number;
  }[];
  /** Of class IN; those of other types are left out. */
  readonly answers: readonly AddressRecord[];
}

export const TYPE = { A: 1, CNAME: 5, AAAA: 28 } as const;
export const CLASS_IN = 1;

const HEADER_BYTES = 12;
const POINTER = 0xc0;
const NAME_MAX_BYTES = 255;
/** Of one name: each leads to a label at least, and no name that is met has so many. */
const POINTERS_MAX = 32;
/** Only one is ever asked. */
const QUESTIONS_MAX = 16;
/** Of answers that count; what comes behind is left out. */
const RECORDS_MAX = 256;

/** Thrown inside this file alone. */
class Malformed extends Error {}

/** @returns Undefined: it is no message, or ends before what it says it holds. */
export function readMessage(bytes: Buffer): AddressMessage | undefined {
  try {
    return read(bytes);
  } catch (error) {
    // RangeError: read beyond the end.
    if (error instanceof Malformed || error instanceof RangeError) return undefined;
    throw error;
  }
}

function read(bytes: Buffer): AddressMessage {
  const flags = bytes.readUInt16BE(2);
  const [questionCount = 0, ...counts] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (questionCount > QUESTIONS_MAX) throw new Malformed();
  const questions: AddressMessage['questions'][number][] = [];
  let at = HEADER_BYTES;
  for (let index = 0; index < questionCount; index++) {
    const name = nameAt(bytes, at);
    at = endOfName(bytes, at);
    questions.push({ name, type: bytes.readUInt16BE(at), class: bytes.readUInt16BE(at + 2) });
    at += 4;
  }
  const answers: AddressRecord[] = [];
  for (const [section, count] of counts.entries()) {
    for (let index = 0; index < count; index++) {
      const start = at;
      at = endOfName(bytes, at) + 10;
      const length = bytes.readUInt16BE(at - 2);
      if (section === 0 && answers.length < RECORDS_MAX) {
        answers.push(...recordAt(bytes, start, at, length));
      }
      at += length;
      if (at > bytes.length) throw new Malformed();
    }
  }
  return {
    isResponse: (flags & 0x8000) !== 0,
    code: flags & 15,
    isTruncated: (flags & 0x200) !== 0,
    questions,
    answers,
  };
}

/** @param at Of its data, behind ten bytes of type, class, time and length. */
function recordAt(bytes: Buffer, start: number, at: number, length: number): AddressRecord[] {
  if (bytes.readUInt16BE(at - 8) !== CLASS_IN) return [];
  const type = bytes.readUInt16BE(at - 10);
  const ttl = bytes.readUInt32BE(at - 6);
  const data = bytes.subarray(at, at + length);
  if (type === TYPE.A || type === TYPE.AAAA) {
    const family = type === TYPE.A ? 4 : 6;
    if (data.length !== (family === 4 ? 4 : 16)) throw new Malformed();
    const address = formatAddress(family, BigInt(`0x${data.toString('hex')}`));
    return [{ name: nameAt(bytes, start), type: family === 4 ? 'A' : 'AAAA', ttl, data: address }];
  }
  if (type !== TYPE.CNAME) return [];
  return [{ name: nameAt(bytes, start), type: 'CNAME', ttl, data: nameAt(bytes, at) }];
}

/** Where it stands; what a pointer leads to is elsewhere. */
function endOfName(bytes: Buffer, start: number): number {
  let at = start;
  for (let length = bytes.readUInt8(at); length !== 0; length = bytes.readUInt8(at)) {
    if (length >= POINTER) return at + 2;
    if (length > 63 || at - start > NAME_MAX_BYTES) throw new Malformed();
    at += 1 + length;
  }
  return at + 1;
}

function nameAt(bytes: Buffer, start: number): string {
  const labels: string[] = [];
  let at = start;
  let earliest = start;
  let left = NAME_MAX_BYTES;
  let pointers = 0;
  for (let length = bytes.readUInt8(at); length !== 0; length = bytes.readUInt8(at)) {
    if (length >= POINTER) {
      const target = bytes.readUInt16BE(at) & 0x3fff;
      // To what came before alone, so that none leads to itself.
      if (target >= earliest || ++pointers > POINTERS_MAX) throw new Malformed();
      at = target;
      earliest = target;
      continue;
    }
    left -= 1 + length;
    if (length > 63 || left < 1 || at + 1 + length > bytes.length) throw new Malformed();
    // A dot within a label is none between two.
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length).replaceAll('.', '\\.'));
    at += 1 + length;
  }
  return labels.join('.').toLowerCase();
}
