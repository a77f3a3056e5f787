/**
 * Guests that have gone, and nobody was told: while HTTP/2 waits for a write Node does not read, and in Node 24 a guest that resets
 * its connection in the middle of an answer can leave such a write that never ends. The kernel knows.
 */
import type { Socket } from 'node:net';

const LOOK_EVERY_MS = 30_000;

export class GoneGuests {
  readonly #everyMs: number;
  readonly #ends = new Map<Socket, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(everyMs = LOOK_EVERY_MS) {
    this.#everyMs = everyMs;
  }

  /** `end` is called, once, when the guest's side of the connection is no more. @returns what is called when it was closed */
  watch(connection: Socket, end: () => void): () => void {
    this.#ends.set(connection, end);
    this.#timer ??= setInterval(() => this.#look(), this.#everyMs).unref();
    return () => {
      this.#ends.delete(connection);
      if (this.#ends.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  #look(): void {
    for (const [connection, end] of [...this.#ends]) {
      if (!hasGone(connection)) continue;
      this.#ends.delete(connection);
      end();
    }
  }
}

/** A connection that was reset has no peer any more (getpeername(2), ENOTCONN). Node's own answer is one that it keeps. */
function hasGone(connection: Socket): boolean {
  const { _handle: handle } = connection as unknown as {
    readonly _handle?: { getpeername?(out: object): number } | null;
  };
  return handle?.getpeername !== undefined && handle.getpeername({}) !== 0;
}
