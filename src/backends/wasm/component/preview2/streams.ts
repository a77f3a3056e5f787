/** wasi:io/error, wasi:io/streams. Calls block, so that what may wait and what may not do the same. */
import { HostResource, type HostState } from './host-state.ts';
import { Pollable } from './poll.ts';
import { Refused } from './refused.ts';

/** wasi:io/error. */
export class IoError extends HostResource {
  /** wasi:filesystem's `error-code`, where it is one of a file. */
  readonly code: string;

  constructor(state: HostState, code: string) {
    super(state);
    this.code = code;
  }

  toDebugString(): string {
    return this.code;
  }
}

/** Where bytes come from: none at the end. */
export type ByteSource = (most: number) => Uint8Array;
/** Where bytes go to. @throws Refused with an `error-code` */
export type ByteSink = (bytes: Uint8Array) => void;

/** Bytes that one call moves at most. */
const MOVED_MAX = 2 ** 20;
const ZEROES = new Uint8Array(2 ** 16);

export class InputStream extends HostResource {
  readonly #source: ByteSource;
  readonly #end: (() => void) | undefined;

  constructor(state: HostState, source: ByteSource, end?: () => void) {
    super(state);
    this.#source = source;
    this.#end = end;
  }

  protected override dropped(): void {
    this.#end?.();
  }

  read(length: bigint): Uint8Array {
    const most = Number(length < BigInt(MOVED_MAX) ? length : BigInt(MOVED_MAX));
    this.state.charge(most);
    const bytes = failing(this.state, () => this.#source(most));
    if (most > 0 && bytes.length === 0) throw new Refused({ tag: 'closed' });
    return bytes;
  }

  blockingRead(length: bigint): Uint8Array {
    return this.read(length);
  }

  skip(length: bigint): bigint {
    return BigInt(this.read(length).length);
  }

  blockingSkip(length: bigint): bigint {
    return this.skip(length);
  }

  subscribe(): Pollable {
    return new Pollable(this.state);
  }
}

export class OutputStream extends HostResource {
  readonly #sink: ByteSink;
  readonly #end: (() => void) | undefined;

  constructor(state: HostState, sink: ByteSink, end?: () => void) {
    super(state);
    this.#sink = sink;
    this.#end = end;
  }

  protected override dropped(): void {
    this.#end?.();
  }

  checkWrite(): bigint {
    return BigInt(MOVED_MAX);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > MOVED_MAX) throw new RangeError('more was written than check-write allowed');
    this.state.charge(bytes.length);
    failing(this.state, () => this.#sink(bytes));
  }

  blockingWriteAndFlush(bytes: Uint8Array): void {
    this.write(bytes);
  }

  flush(): void {}

  blockingFlush(): void {}

  writeZeroes(length: bigint): void {
    if (length > BigInt(MOVED_MAX)) {
      throw new RangeError('more was written than check-write allowed');
    }
    for (let left = Number(length); left > 0; left -= ZEROES.length) {
      this.write(ZEROES.subarray(0, Math.min(left, ZEROES.length)));
    }
  }

  blockingWriteZeroesAndFlush(length: bigint): void {
    this.writeZeroes(length);
  }

  splice(from: InputStream, length: bigint): bigint {
    const bytes = from.read(length);
    this.write(bytes);
    return BigInt(bytes.length);
  }

  blockingSplice(from: InputStream, length: bigint): bigint {
    return this.splice(from, length);
  }

  subscribe(): Pollable {
    return new Pollable(this.state);
  }
}

/** A file's error becomes one of its stream. */
function failing<T>(state: HostState, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof Refused) || typeof thrown.payload !== 'string') throw thrown;
    throw new Refused({ tag: 'last-operation-failed', val: new IoError(state, thrown.payload) });
  }
}
