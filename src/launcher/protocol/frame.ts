/**
 * Frames on the socket between the library and the launcher (protocol/PROTOCOL.md, "Frames"); in C: native/launcher/frame.c.
 *
 *   u32 length (of what follows) · u16 type · u16 zero · u32 id · body
 */
import { CaissonError } from '../../core/error.ts';
import { FieldWriter, malformed, readFields, readI32, readStr, readU32 } from './fields.ts';

export const PROTOCOL_VERSION = 1;
export const FRAME_HEADER = 12;
const FRAME_MAX = 64 * 1024 * 1024;
/** What either side may send of a stream ahead of the other's credit. */
export const STREAM_WINDOW = 256 * 1024;

export const frameType = {
  HELLO: 1,
  PLAN: 2,
  OPEN: 3,
  EXEC: 4,
  STDIN: 5,
  CREDIT: 6,
  SIGNAL: 7,
  WINSIZE: 8,
  KILL: 9,
  CLOSE: 10,
  FILES: 11,
  PROBE: 12,
  FREEZE: 13,
  USAGE: 14,
  READY: 65,
  OPENED: 66,
  STARTED: 67,
  STDOUT: 68,
  STDERR: 69,
  RESULT: 70,
  CLOSED: 71,
  ERROR: 72,
  FILES_REPLY: 73,
  FACTS: 74,
  STDIN_CREDIT: 75,
  USAGE_REPLY: 76,
  STATS: 96,
  STATS_REPLY: 97,
  DIAL: 80,
  DIALED: 81,
  DENY: 90,
} as const;

/** Finishes a message whose body a FieldWriter wrote behind a reserve of FRAME_HEADER. */
export function finishFrame(writer: FieldWriter, type: number, id: number): Buffer {
  const bytes = writer.finish();
  writeHeader(bytes, type, id);
  return bytes;
}

/** A frame whose body is bytes, or empty. */
export function rawFrame(type: number, id: number, body?: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER + (body?.byteLength ?? 0));
  if (body !== undefined) bytes.set(body, FRAME_HEADER);
  writeHeader(bytes, type, id);
  return bytes;
}

function writeHeader(bytes: Buffer, type: number, id: number): void {
  if (bytes.length - 4 > FRAME_MAX) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'launcher',
      message: `a request of ${bytes.length} bytes is larger than the ${FRAME_MAX} that one may be`,
      hint: 'stream large input through stdin instead of giving it inline',
    });
  }
  bytes.writeUInt32LE(bytes.length - 4, 0);
  bytes.writeUInt32LE(type, 4);
  bytes.writeUInt32LE(id, 8);
}

export interface Hello {
  readonly version: number;
  readonly build: string;
}

export function encodeHello(): Buffer {
  const writer = new FieldWriter(FRAME_HEADER);
  writer.u32(1, PROTOCOL_VERSION, 'protocol version');
  return finishFrame(writer, frameType.HELLO, 0);
}

export function decodeHello(body: Buffer): Hello {
  let version = 0;
  let build = '';
  for (const field of readFields(body)) {
    if (field.tag === 1) version = readU32(field);
    else if (field.tag === 2) build = readStr(field);
    else throw malformed(`HELLO has an unknown field ${field.tag}`);
  }
  return { version, build };
}

export interface ErrorBody {
  readonly class: number;
  readonly step: string;
  readonly errno: number;
  readonly what: string | undefined;
}

export function decodeErrorBody(body: Buffer): ErrorBody {
  const out = { class: 0, step: '', errno: 0, what: undefined as string | undefined };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.class = readU32(field);
    else if (field.tag === 2) out.step = readStr(field);
    else if (field.tag === 3) out.errno = readI32(field);
    else if (field.tag === 4) out.what = readStr(field, true);
    else throw malformed(`ERROR has an unknown field ${field.tag}`);
  }
  return out;
}

/** A record of one u32 or i32: OPENED, STARTED, STDIN_CREDIT. */
export function decodeNumber(body: Buffer): number {
  for (const field of readFields(body)) {
    if (field.tag === 1) return readI32(field);
  }
  throw malformed('a frame lacks its number');
}

/** Puts frames together from whatever pieces the socket delivers; a whole frame is never copied. */
export class FrameReader {
  /** The front of a frame that has not wholly arrived. */
  #partial: Buffer | undefined;
  #filled = 0;
  readonly #onFrame: (type: number, id: number, body: Buffer) => void;

  constructor(onFrame: (type: number, id: number, body: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** Throws PROTOCOL_ERROR when the bytes are no frame; the connection cannot be used afterwards. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (this.#partial !== undefined && rest.length > 0) rest = this.#fill(rest);
    while (rest.length >= FRAME_HEADER) {
      const size = sizeOf(rest);
      if (rest.length < size) break;
      this.#deliver(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
    if (rest.length === 0 || this.#partial !== undefined) return;
    this.#partial = Buffer.allocUnsafe(rest.length >= FRAME_HEADER ? sizeOf(rest) : FRAME_HEADER);
    this.#filled = 0;
    this.#fill(rest);
  }

  /** Moves what fits into the partial frame; returns what is left of `rest`. */
  #fill(rest: Buffer): Buffer {
    const partial = this.#partial as Buffer;
    const moved = Math.min(partial.length - this.#filled, rest.length);
    rest.copy(partial, this.#filled, 0, moved);
    this.#filled += moved;
    if (this.#filled === partial.length) {
      const size = sizeOf(partial);
      if (size > partial.length) {
        this.#partial = Buffer.allocUnsafe(size);
        partial.copy(this.#partial);
      } else {
        this.#partial = undefined;
        this.#filled = 0;
        this.#deliver(partial);
      }
    }
    return rest.subarray(moved);
  }

  #deliver(frame: Buffer): void {
    this.#onFrame(frame.readUInt16LE(4), frame.readUInt32LE(8), frame.subarray(FRAME_HEADER));
  }
}

function sizeOf(header: Buffer): number {
  const length = header.readUInt32LE(0);
  if (length < FRAME_HEADER - 4 || length > FRAME_MAX) {
    throw malformed(`a frame claims ${length} bytes`);
  }
  if (header.readUInt16LE(6) !== 0) throw malformed('a frame header has a set reserved bit');
  return length + 4;
}
