import { callOut } from './host-fault.ts';

/** Where a guest's standard input comes from. */
export interface InputSource {
  /**
   * The next bytes, at most so many; blocks until there are some. Undefined, or none, at the end.
   * More bytes than asked for are kept for the next read.
   */
  read(most: number): Uint8Array | undefined;
  /**
   * Waits until a read would not block, at most so many nanoseconds, or without end when undefined. Where it is
   * missing, reading counts as always ready.
   *
   * @returns whether a read would not block now
   */
  wait?(nanoseconds: bigint | undefined): boolean;
}

/** Where a guest's output goes. The bytes are a copy, the receiver's own. */
export type OutputSink = (bytes: Uint8Array) => void;

export interface OutputOptions {
  readonly sink: OutputSink;
  /** Default 1 MiB. */
  readonly limitBytes?: number;
  /**
   * What happens past the limit: `fail` answers ENOSPC; `discard` takes the bytes, counts them and drops them, so
   * that the guest goes on as it would have. Default `fail`.
   */
  readonly pastLimit?: 'fail' | 'discard';
  /** Whether isatty says yes; default false. */
  readonly terminal?: boolean;
}

const DEFAULT_OUTPUT_BYTES = 2 ** 20;
const NO_BYTES = new Uint8Array(0);

/** Standard input as a guest's descriptor reads it. */
export class InputStream {
  readonly kind = 'input';
  readonly terminal = false;
  readonly #source: InputSource;
  #left = NO_BYTES as Uint8Array;
  #ended = false;

  constructor(from: Uint8Array | InputSource | undefined) {
    if (from === undefined || from instanceof Uint8Array) {
      this.#left = from ?? NO_BYTES;
      this.#ended = true;
      this.#source = { read: () => undefined };
    } else {
      this.#source = from;
    }
  }

  /** @returns the next bytes; none at the end */
  read(most: number): Uint8Array {
    if (most === 0) return NO_BYTES;
    while (this.#left.length === 0 && !this.#ended) {
      const bytes = callOut(() => this.#source.read(most));
      if (bytes === undefined || bytes.length === 0) this.#ended = true;
      else this.#left = bytes;
    }
    const bytes = this.#left.subarray(0, most);
    this.#left = this.#left.subarray(bytes.length);
    return bytes;
  }

  /** Bytes that can be read without asking for more. */
  get available(): number {
    return this.#left.length;
  }

  wait(nanoseconds: bigint | undefined): boolean {
    if (this.#left.length > 0 || this.#ended) return true;
    return callOut(() => this.#source.wait?.(nanoseconds) ?? true);
  }
}

/** Standard output or error as a guest's descriptor writes it. */
export class OutputStream {
  readonly kind = 'output';
  readonly terminal: boolean;
  readonly #sink: OutputSink;
  readonly #limitBytes: number;
  readonly #discards: boolean;
  #written = 0;
  #discarded = 0;

  constructor(options: OutputOptions | undefined) {
    this.terminal = options?.terminal ?? false;
    this.#sink = options?.sink ?? (() => {});
    this.#limitBytes = options?.limitBytes ?? DEFAULT_OUTPUT_BYTES;
    this.#discards = options === undefined || options.pastLimit === 'discard';
  }

  /** Bytes that reached the sink. */
  get written(): number {
    return this.#written;
  }

  /** Bytes past the limit that were taken and dropped. */
  get discarded(): number {
    return this.#discarded;
  }

  /** How much the next write will take. */
  get room(): number {
    return this.#discards ? Number.POSITIVE_INFINITY : this.#limitBytes - this.#written;
  }

  /** @returns how many bytes were taken; none when the limit is reached */
  write(bytes: Uint8Array): number {
    const kept = bytes.subarray(0, Math.max(0, this.#limitBytes - this.#written));
    if (kept.length > 0) {
      callOut(() => this.#sink(kept.slice()));
      this.#written += kept.length;
    }
    if (!this.#discards) return kept.length;
    this.#discarded += bytes.length - kept.length;
    return bytes.length;
  }
}
