/**
 * What the library and a host process say to each other, over the host's standard streams or a connection: a length, a
 * type, the number of the evaluation, and a value as V8 serialises it (structured clone).
 *
 * Whatever comes out of a host may be a guest's forgery: lengths are bounded, shapes are checked (`host-messages.ts`), and
 * V8's reader takes data alone (no functions, no shared memory).
 */
import { DefaultDeserializer, DefaultSerializer, serialize } from 'node:v8';
import type { Evaluate, WasmOptions } from './program.ts';

export const hostFrame = {
  /** To the host: a program; what is the same in many of its evaluations (JOB); one of them, {@link EvaluateMessage}. */
  PROGRAM: 1,
  EVALUATE: 2,
  REPLY: 3,
  PING: 4,
  JOB: 5,
  /** From it. VALUE is the short form of the RESULT that nearly all have: {@link ValueMessage}. */
  READY: 64,
  RESULT: 65,
  CALL: 66,
  WRITE: 67,
  PONG: 68,
  VALUE: 69,
} as const;

/** Number of the JOB, and what each evaluation of it has of its own. */
export type EvaluateMessage = readonly [
  job: number,
  args: readonly unknown[],
  wasm?: WasmOptions | undefined,
];

export type JobMessage = Omit<Evaluate, 'program' | 'args' | 'wasm'> & { readonly program: string };

export type ValueMessage = readonly [cpuMs: number, memoryBytes: number, value: unknown];

/** Length of what follows it, u32; type, u8; evaluation, u32; little-endian. */
const HEADER = 9;
const NO_HEADER = Buffer.alloc(HEADER);
/** A frame in pieces is gathered in a buffer that begins so small and doubles: what is only announced costs nothing. */
const GATHER_FROM = 64 * 1024;

export interface HostFrame {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

/** @throws Error for a value that has no structured clone */
export function encodeHostFrame(type: number, id: number, value?: unknown): Buffer {
  const serializer = new DefaultSerializer();
  serializer.writeRawBytes(NO_HEADER);
  if (value !== undefined) {
    serializer.writeHeader();
    serializer.writeValue(value);
  }
  const frame = serializer.releaseBuffer();
  frame.writeUInt32LE(frame.length - 4, 0);
  frame.writeUInt8(type, 4);
  frame.writeUInt32LE(id, 5);
  return frame;
}

/** @throws Error for bytes that are no serialised value */
export function payloadOf({ body }: HostFrame): unknown {
  return body.length === 0 ? undefined : parse(body);
}

/** A structured clone that shares no memory with the value. @throws Error for a value that has none */
export function copyOf<T>(value: T): T {
  if (!isFlat(value)) return parse(serialize(value)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return (Array.isArray(value) ? [...value] : { ...value }) as T;
}

/** One value, or a short list or record of such: what most arguments and results are, with nothing to go wrong. */
export function isFlat(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return isOne(value);
  // An array has its length beside its entries; one that has holes is not for here.
  const keys = Reflect.ownKeys(value).length;
  if (keys > FLAT_MAX) return false;
  if (Array.isArray(value)) return keys === value.length + 1 && value.every(isOne);
  const entries = Object.values(value);
  const isRecord = Object.getPrototypeOf(value) === Object.prototype;
  return isRecord && keys === entries.length && entries.every(isOne);
}

const FLAT_MAX = 64;

function isOne(value: unknown): boolean {
  const type = typeof value;
  return value === null || (type !== 'object' && type !== 'function' && type !== 'symbol');
}

function parse(bytes: Buffer): unknown {
  const reader = new OwnBytes(bytes);
  reader.readHeader();
  return reader.readValue();
}

type View = new (buffer: ArrayBuffer) => NodeJS.ArrayBufferView;

/**
 * Node's reader makes views of the very memory that it reads, through whose `buffer` everything else in there could be
 * seen: what others sent in the same piece, whatever else is in Node's pool of buffers.
 */
class OwnBytes extends DefaultDeserializer {
  _readHostObject(): NodeJS.ArrayBufferView {
    const { _readHostObject: read } = DefaultDeserializer.prototype as unknown as {
      _readHostObject(this: OwnBytes): NodeJS.ArrayBufferView;
    };
    const view = read.call(this);
    const bytes = new Uint8Array(view.byteLength);
    bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    if (Buffer.isBuffer(view)) return Buffer.from(bytes.buffer);
    return new (view.constructor as View)(bytes.buffer);
  }
}

/** Cuts a stream of bytes into frames. */
export class HostFrameReader {
  readonly #max: number;
  /** What came of a frame that is not whole yet. */
  #gathered = Buffer.alloc(0);
  #bytes = 0;

  /** @param max bytes that a frame may have */
  constructor(max: number) {
    this.#max = max;
  }

  /** @throws RangeError for a frame that is longer than it may be */
  *push(chunk: Buffer): Generator<HostFrame> {
    let rest = chunk;
    if (this.#bytes > 0) {
      this.#gather(rest);
      rest = this.#gathered.subarray(0, this.#bytes);
    }
    for (let length = this.#length(rest); length <= rest.length; length = this.#length(rest)) {
      const frame = rest.subarray(0, length);
      rest = rest.subarray(length);
      yield { type: frame.readUInt8(4), id: frame.readUInt32LE(5), body: frame.subarray(HEADER) };
    }
    const isWhole = rest.buffer === this.#gathered.buffer && rest.length === this.#bytes;
    if (isWhole) return;
    this.#bytes = 0;
    if (rest.length > 0) this.#gather(rest);
    else this.#gathered = Buffer.alloc(0);
  }

  /** Of the frame at its beginning, as far as that is known. */
  #length(bytes: Buffer): number {
    if (bytes.length < HEADER) return HEADER;
    const length = bytes.readUInt32LE(0) + 4;
    if (length >= HEADER && length <= this.#max) return length;
    throw new RangeError(`a frame of ${length} bytes, where ${this.#max} are the most`);
  }

  #gather(chunk: Buffer): void {
    const bytes = this.#bytes + chunk.length;
    // Frames that were handed out lie in the old one: it is never written again.
    if (bytes > this.#gathered.length || this.#bytes === 0) {
      const room = Buffer.allocUnsafeSlow(Math.max(GATHER_FROM, 2 * bytes));
      this.#gathered.copy(room, 0, 0, this.#bytes);
      this.#gathered = room;
    }
    chunk.copy(this.#gathered, this.#bytes);
    this.#bytes = bytes;
  }
}
