/**
 * Two sockets made one: bytes both ways with back-pressure, each end of stream passed on by itself (half-close), an
 * abort of one side an abort of the other.
 */
import type { OnReadOpts, Socket } from 'node:net';
import { RelayBuffers } from './relay-buffers.ts';
import { reset } from './reset.ts';

/** After one side ended, the other may be silent for this long. */
const HALF_CLOSED_MS = 10 * 60_000;
/** Memory is the process's: one account of it. */
const buffers = new RelayBuffers();

/**
 * From one to the other alone; both are reset when either fails.
 *
 * @param idleMs Nothing has come or gone on `from` for this long.
 * @returns parts them: the end of one is no longer the other's
 */
export function relayOneWay(from: Socket, to: Socket, idleMs: number): () => void {
  from.pipe(to);
  const part = endTogether(from, to, idleMs);
  return () => {
    from.unpipe(to);
    part();
  };
}

/**
 * From a server to a guest through a buffer that is used again and again. A stream's own reading takes fresh memory for
 * each 64 KiB, whose page faults cost more than the copying: about half of all the time of a transfer.
 */
export class Download {
  /** For `connect`. */
  readonly onread: OnReadOpts;
  readonly #guest: Socket;
  readonly #buffers: RelayBuffers;
  /** What the next read fills. */
  #buffer: Buffer;
  #count = 0;
  /** Still written out of, though the next read fills another. */
  #last: Buffer | undefined;
  #server: Socket | undefined;
  #waiting = false;
  #closed = false;

  constructor(guest: Socket, lender: RelayBuffers = buffers) {
    this.#guest = guest;
    this.#buffers = lender;
    this.#buffer = lender.take();
    this.onread = {
      // Asked for before the first read, and after each.
      buffer: () => this.#next(),
      callback: (count, bytes) => this.#take(bytes.subarray(0, count)),
    };
  }

  start(server: Socket, idleMs: number): void {
    this.#server = server;
    server.once('end', () => this.#guest.end());
    server.once('close', () => {
      this.#closed = true;
      this.#release();
    });
    endTogether(server, this.#guest, idleMs);
    if (!this.#waiting) server.resume();
  }

  /** Whether the buffer may be filled again: not before the kernel has taken everything out of it. */
  #take(bytes: Uint8Array): boolean {
    this.#count = bytes.length;
    this.#guest.write(bytes, () => {
      if (!this.#waiting || this.#guest.writableLength > 0) return;
      this.#waiting = false;
      if (this.#last !== undefined) this.#buffers.giveBack(this.#last);
      this.#last = undefined;
      if (this.#closed) this.#release();
      else this.#server?.resume();
    });
    this.#waiting = this.#guest.writableLength > 0;
    return !this.#waiting;
  }

  #next(): Buffer {
    const buffer = this.#buffer;
    if (this.#count === 0 || this.#closed) return buffer;
    const next = this.#buffers.after(buffer, this.#count);
    if (next === buffer) return buffer;
    if (this.#waiting) this.#last = buffer;
    else this.#buffers.giveBack(buffer);
    this.#buffer = next;
    return next;
  }

  /** Once, when nothing reads into the buffer and nothing is written out of it: a closed guest's write ends, too. */
  #release(): void {
    if (!this.#waiting) this.#buffers.giveBack(this.#buffer);
  }
}

function endTogether(from: Socket, to: Socket, idleMs: number): () => void {
  let parted = false;
  const abort = (): void => {
    if (parted) return;
    reset(from);
    reset(to);
  };
  from.setTimeout(idleMs, abort);
  from.once('end', () => {
    if (!parted) to.setTimeout(Math.min(idleMs, HALF_CLOSED_MS));
  });
  from.on('error', abort);
  from.once('close', (failed) => {
    if (failed || !from.readableEnded) abort();
  });
  return () => {
    parted = true;
  };
}
