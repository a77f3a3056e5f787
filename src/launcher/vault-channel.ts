/**
 * What is said to the holder of secrets (protocol/PROTOCOL.md, "Vault"; native/launcher/vault.c): requests, and their
 * replies in order. Values lie in buffers that are overwritten as soon as they have been passed on, never in a string.
 */
import { getSystemErrorName } from 'node:util';
import { CaissonError } from '../core/error.ts';

export const vaultOperation = { put: 1, drop: 2, count: 3, get: 4 } as const;
/** Bytes of one value. */
export const VAULT_VALUE_MAX = 16_384;

const REQUEST_HEADER = 9;
const REPLY_HEADER = 12;
/** The holder answers in microseconds, unless it is stopped. */
const TIMEOUT_MS = 5_000;

export interface VaultReply {
  readonly id: number;
  /** The caller's to overwrite. */
  readonly bytes: Buffer;
}

interface Waiting {
  readonly resolve: (reply: VaultReply) => void;
  readonly reject: (error: CaissonError) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Zeroes outside of the engine's heap: what lies inside is moved about by the collector, which leaves copies behind
 * (`Buffer.alloc` puts small ones there), and the shared pool of `Buffer.from` is not ours.
 */
export function plainMemory(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

export class VaultChannel {
  readonly #send: (bytes: Buffer, done: () => void) => void;
  readonly #onEnd: () => void;
  readonly #waiting: Waiting[] = [];
  /** What has come of the next replies. */
  readonly #held = plainMemory(2 * (REPLY_HEADER + VAULT_VALUE_MAX));
  #filled = 0;
  #gone: CaissonError | undefined;

  /**
   * @param send calls `done` when it needs the bytes no longer
   * @param onEnd called once, when nothing more is said or heard, whoever ended it
   */
  constructor(send: (bytes: Buffer, done: () => void) => void, onEnd: () => void = () => {}) {
    this.#send = send;
    this.#onEnd = onEnd;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** @throws NETWORK_FAILED with `details.errno` where it was refused, or the holder is gone */
  request(operation: number, id: number, bytes?: Uint8Array): Promise<VaultReply> {
    const { promise, resolve, reject } = Promise.withResolvers<VaultReply>();
    if (this.#gone !== undefined) {
      reject(this.#gone);
      return promise;
    }
    const message = plainMemory(REQUEST_HEADER + (bytes?.length ?? 0));
    message.writeUInt8(operation, 0);
    message.writeUInt32LE(id, 1);
    message.writeUInt32LE(bytes?.length ?? 0, 5);
    if (bytes !== undefined) message.set(bytes, REQUEST_HEADER);
    // After this process stood still itself, what came meanwhile is read first.
    const timer = setTimeout(() => setImmediate(() => this.#late(waiting)), TIMEOUT_MS).unref();
    const waiting = { resolve, reject, timer };
    this.#waiting.push(waiting);
    this.#send(message, () => message.fill(0));
    return promise;
  }

  /** Bytes that came; the caller overwrites its own of them. */
  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && this.#gone === undefined; ) {
      const length = Math.min(chunk.length - at, this.#held.length - this.#filled);
      this.#held.set(chunk.subarray(at, at + length), this.#filled);
      this.#filled += length;
      at += length;
      this.#answer();
    }
  }

  end(how: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = new CaissonError('NETWORK_GONE', {
      layer: 'launcher',
      message: `the process that holds the values of secrets is gone: ${how}`,
      hint: 'make a new sandbox; nothing was sent in its place',
    });
    this.#held.fill(0);
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(this.#gone);
    }
    this.#onEnd();
  }

  #late(waiting: Waiting): void {
    if (this.#waiting.includes(waiting)) this.end('it does not answer');
  }

  #answer(): void {
    let at = 0;
    while (this.#filled - at >= REPLY_HEADER) {
      const errno = this.#held.readInt32LE(at);
      const id = this.#held.readUInt32LE(at + 4);
      const length = this.#held.readUInt32LE(at + 8);
      const waiting = this.#waiting[0];
      if (waiting === undefined || length > VAULT_VALUE_MAX) {
        this.end('it speaks nonsense');
        return;
      }
      const end = at + REPLY_HEADER + length;
      if (end > this.#filled) break;
      this.#waiting.shift();
      clearTimeout(waiting.timer);
      if (errno === 0) {
        const bytes = plainMemory(length);
        this.#held.copy(bytes, 0, at + REPLY_HEADER, end);
        waiting.resolve({ id, bytes });
      } else {
        waiting.reject(refused(errno));
      }
      at = end;
    }
    if (at === 0) return;
    this.#held.copyWithin(0, at, this.#filled);
    this.#held.fill(0, this.#filled - at, this.#filled);
    this.#filled -= at;
  }
}

export function vaultFailed(message: string, errno?: string): CaissonError {
  return new CaissonError('NETWORK_FAILED', {
    layer: 'launcher',
    message,
    hint: 'make a new sandbox; nothing was sent in its place',
    ...(errno === undefined ? {} : { details: { errno } }),
  });
}

function refused(errno: number): CaissonError {
  const name = getSystemErrorName(-errno);
  return vaultFailed(`the process that holds the values of secrets refused: ${name}`, name);
}
