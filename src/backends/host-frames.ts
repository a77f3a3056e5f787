/**
 * What the library and a host process say to each other, over the host's standard streams: a length, a type, the number of
 * the evaluation, and a value as V8 serialises it (structured clone).
 *
 * Whatever comes out of a host may be a guest's forgery: lengths are bounded, shapes are checked, and V8's reader takes
 * data alone (no functions, no shared memory).
 */
import { deserialize, serialize } from 'node:v8';

export const hostFrame = {
  /** To the host. */
  PROGRAM: 1,
  EVALUATE: 2,
  REPLY: 3,
  PING: 4,
  /** From it. */
  READY: 64,
  RESULT: 65,
  CALL: 66,
  WRITE: 67,
  PONG: 68,
} as const;

/** Length of what follows it, u32; type, u8; evaluation, u32; little-endian. */
const HEADER = 9;

export interface HostFrame {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

export function encodeHostFrame(type: number, id: number, value?: unknown): Buffer {
  const body = value === undefined ? undefined : serialize(value);
  const frame = Buffer.allocUnsafe(HEADER + (body?.length ?? 0));
  frame.writeUInt32LE(frame.length - 4, 0);
  frame.writeUInt8(type, 4);
  frame.writeUInt32LE(id, 5);
  body?.copy(frame, HEADER);
  return frame;
}

/** @throws Error for bytes that are no serialised value */
export function payloadOf({ body }: HostFrame): unknown {
  return body.length === 0 ? undefined : deserialize(body);
}

/** Cuts a stream of bytes into frames. */
export class HostFrameReader {
  readonly #max: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** @param max bytes that a frame may have */
  constructor(max: number) {
    this.#max = max;
  }

  /** @throws RangeError for a frame that is longer than it may be */
  *push(chunk: Buffer): Generator<HostFrame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      if (this.#bytes < HEADER) return;
      const head = this.#peek(HEADER);
      const length = head.readUInt32LE(0) + 4;
      if (length < HEADER || length > this.#max) {
        throw new RangeError(`a frame of ${length} bytes, where ${this.#max} are the most`);
      }
      if (this.#bytes < length) return;
      const frame = this.#take(length);
      yield { type: frame.readUInt8(4), id: frame.readUInt32LE(5), body: frame.subarray(HEADER) };
    }
  }

  #peek(bytes: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length >= bytes) return first;
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] as Buffer;
  }

  #take(bytes: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    const whole = first.length >= bytes ? first : Buffer.concat(this.#chunks);
    const rest = whole.subarray(bytes);
    if (whole === first) this.#chunks.shift();
    else this.#chunks = [];
    if (rest.length > 0) this.#chunks.unshift(rest);
    this.#bytes -= bytes;
    return whole.subarray(0, bytes);
  }
}
