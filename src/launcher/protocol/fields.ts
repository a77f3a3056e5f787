/**
 * Records of fields (protocol/PROTOCOL.md, "Fields"); in C: native/launcher/wire.c.
 *
 *   u16 tag · u16 zero · u32 length · length bytes, little-endian, never padded
 *
 * Whatever is not described there is refused, on both sides.
 */
import { CaissonError, type ErrorCode } from '../../core/error.ts';

const FIELD_HEADER = 8;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Writes one message into one buffer, so that a run costs one write. */
export class FieldWriter {
  #bytes: Buffer;
  #length: number;
  readonly #code: ErrorCode;

  /**
   * @param reserve bytes kept free at the front, for a frame header.
   * @param code what a value that does not fit is reported as.
   */
  constructor(reserve = 0, code: ErrorCode = 'REQUEST_INVALID', capacity = 1024) {
    this.#bytes = Buffer.allocUnsafe(Math.max(capacity, reserve + 64));
    this.#length = reserve;
    this.#code = code;
  }

  get length(): number {
    return this.#length;
  }

  u32(tag: number, value: number, name: string): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) this.#refuse(name, value);
    const at = this.#field(tag, 4);
    this.#bytes.writeUInt32LE(value, at);
  }

  i32(tag: number, value: number, name: string): void {
    if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff) {
      this.#refuse(name, value);
    }
    const at = this.#field(tag, 4);
    this.#bytes.writeInt32LE(value, at);
  }

  u64(tag: number, value: number | bigint, name: string): void {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value) || value < 0) this.#refuse(name, value);
      const at = this.#field(tag, 8);
      this.#bytes.writeUInt32LE(value % 0x1_0000_0000, at);
      this.#bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
      return;
    }
    if (value < 0n || value > U64_MAX) this.#refuse(name, value);
    const at = this.#field(tag, 8);
    this.#bytes.writeBigUInt64LE(value, at);
  }

  /** NUL-terminated, so that C may point into the message. Returns the bytes it takes, NUL included. */
  str(tag: number, value: string, name: string, mayBeEmpty = false): number {
    return this.#text(tag, value, '', '', name, mayBeEmpty);
  }

  /** `NAME=value` without joining the two first. */
  pair(tag: number, key: string, value: string, name: string): number {
    return this.#text(tag, key, '=', value, name, false);
  }

  bytes(tag: number, value: Uint8Array): void {
    const at = this.#field(tag, value.byteLength);
    this.#bytes.set(value, at);
  }

  /** Fields that were encoded before. */
  raw(fields: Uint8Array): void {
    this.#grow(fields.byteLength);
    this.#bytes.set(fields, this.#length);
    this.#length += fields.byteLength;
  }

  /** Opens a nested record; give the mark to {@link end}. */
  begin(tag: number): number {
    this.#field(tag, 0);
    return this.#length;
  }

  end(mark: number): void {
    this.#bytes.writeUInt32LE(this.#length - mark, mark - 4);
  }

  /** The buffer itself, front reserve included; the writer is not used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #text(
    tag: number,
    head: string,
    middle: string,
    tail: string,
    name: string,
    mayBeEmpty: boolean,
  ): number {
    if (typeof head !== 'string' || typeof tail !== 'string') this.#refuse(name, head);
    if (!mayBeEmpty && head.length === 0) this.#refuse(name, '', 'it is empty');
    if (head.includes('\0') || tail.includes('\0')) {
      this.#refuse(name, head + middle + tail, 'it holds a NUL byte', 'take it out');
    }
    // A string takes at most three bytes for each UTF-16 unit.
    this.#grow(FIELD_HEADER + (head.length + middle.length + tail.length) * 3 + 1);
    const start = this.#length + FIELD_HEADER;
    let at = start + this.#bytes.write(head, start);
    if (middle !== '') {
      at += this.#bytes.write(middle, at);
      at += this.#bytes.write(tail, at);
    }
    this.#bytes[at] = 0;
    const size = at + 1 - start;
    this.#field(tag, size);
    return size;
  }

  /** Appends a header and room for `size` bytes; returns where these start. */
  #field(tag: number, size: number): number {
    this.#grow(FIELD_HEADER + size);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes.writeUInt32LE(tag, at);
    bytes.writeUInt32LE(size, at + 4);
    this.#length = at + FIELD_HEADER + size;
    return at + FIELD_HEADER;
  }

  #grow(more: number): void {
    const wanted = this.#length + more;
    if (wanted <= this.#bytes.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(wanted, this.#bytes.length * 2));
    this.#bytes.copy(bigger, 0, 0, this.#length);
    this.#bytes = bigger;
  }

  #refuse(
    name: string,
    value: unknown,
    reason = 'it does not fit the field',
    hint = 'give another value',
  ): never {
    const shown = String(value);
    throw new CaissonError(this.#code, {
      layer: 'launcher',
      message: `${name} cannot be used: ${reason}`,
      hint,
      details: { name, value: shown.length > 200 ? `${shown.slice(0, 200)}…` : shown },
    });
  }
}

/** One field of a record: views into the message. */
export interface Field {
  readonly tag: number;
  readonly body: Buffer;
}

/** The fields of a record, in order. Throws PROTOCOL_ERROR where the bytes are no record. */
export function* readFields(record: Buffer): Generator<Field> {
  let at = 0;
  while (at < record.length) {
    if (record.length - at < FIELD_HEADER) throw malformed('a field header is cut off');
    const tag = record.readUInt16LE(at);
    if (record.readUInt16LE(at + 2) !== 0) throw malformed('a field header has a set reserved bit');
    const size = record.readUInt32LE(at + 4);
    at += FIELD_HEADER;
    if (size > record.length - at) throw malformed(`field ${tag} is longer than its record`);
    yield { tag, body: record.subarray(at, at + size) };
    at += size;
  }
}

export function readU32({ tag, body }: Field): number {
  if (body.length !== 4) throw malformed(`field ${tag} is not a u32`);
  return body.readUInt32LE(0);
}

export function readI32({ tag, body }: Field): number {
  if (body.length !== 4) throw malformed(`field ${tag} is not an i32`);
  return body.readInt32LE(0);
}

export function readU64({ tag, body }: Field): bigint {
  if (body.length !== 8) throw malformed(`field ${tag} is not a u64`);
  return body.readBigUInt64LE(0);
}

/** A count or an amount: a u64 that fits a number exactly. */
export function readAmount({ tag, body }: Field): number {
  if (body.length !== 8) throw malformed(`field ${tag} is not a u64`);
  const value = body.readUInt32LE(4) * 0x1_0000_0000 + body.readUInt32LE(0);
  if (!Number.isSafeInteger(value)) throw malformed(`field ${tag} is beyond 2^53`);
  return value;
}

export function readStr({ tag, body }: Field, mayBeEmpty = false): string {
  const end = body.length - 1;
  if (end < (mayBeEmpty ? 0 : 1) || body.indexOf(0) !== end) {
    throw malformed(`field ${tag} is not a NUL-terminated string`);
  }
  return body.toString('utf8', 0, end);
}

export function malformed(message: string): CaissonError {
  return new CaissonError('PROTOCOL_ERROR', {
    layer: 'launcher',
    message,
    hint: 'launcher and library are from different builds: run npm run build:launcher',
  });
}
