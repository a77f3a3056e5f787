/**
 * Two sockets made one: bytes both ways with back-pressure, each end of stream passed on by itself (half-close), an
 * abort of one side an abort of the other.
 */
import type { OnReadOpts, Socket } from 'node:net';

/** After one side ended, the other may be silent for this long. */
const HALF_CLOSED_MS = 10 * 60_000;
/** Measured: 64 KiB takes a sixth longer for the same bytes, 1 MiB no less. The pages are there when they are used. */
const BUFFER_BYTES = 128 * 1024;
/** Taken up again by the next connection: fresh ones cost a short connection more in collection than all else. */
const SPARE_BUFFERS = 64;
const spareBuffers: Buffer[] = [];

/**
 * From one to the other alone; both are reset when either fails.
 *
 * @param idleMs Nothing has come or gone on `from` for this long.
 */
export function relayOneWay(from: Socket, to: Socket, idleMs: number): void {
  from.pipe(to);
  endTogether(from, to, idleMs);
}

/**
 * From a server to a guest through one buffer that is used again and again. A stream's own reading takes fresh memory
 * for each 64 KiB, whose page faults cost more than the copying: about half of all the time of a transfer.
 */
export class Download {
  /** For `connect`. */
  readonly onread: OnReadOpts;
  readonly #guest: Socket;
  readonly #buffer = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #server: Socket | undefined;
  #waiting = false;
  #closed = false;

  constructor(guest: Socket) {
    this.#guest = guest;
    this.onread = {
      buffer: this.#buffer,
      callback: (count) => this.#take(this.#buffer.subarray(0, count)),
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
    this.#guest.write(bytes, () => {
      if (!this.#waiting || this.#guest.writableLength > 0) return;
      this.#waiting = false;
      if (this.#closed) this.#release();
      else this.#server?.resume();
    });
    this.#waiting = this.#guest.writableLength > 0;
    return !this.#waiting;
  }

  /** Once, when nothing reads into the buffer and nothing is written out of it. */
  #release(): void {
    if (!this.#waiting && spareBuffers.length < SPARE_BUFFERS) spareBuffers.push(this.#buffer);
  }
}

function endTogether(from: Socket, to: Socket, idleMs: number): void {
  from.setTimeout(idleMs, () => abort(from, to));
  from.once('end', () => to.setTimeout(Math.min(idleMs, HALF_CLOSED_MS)));
  from.on('error', () => abort(from, to));
  from.once('close', (failed) => {
    if (failed || !from.readableEnded) abort(from, to);
  });
}

function abort(...sockets: readonly Socket[]): void {
  for (const socket of sockets) if (!socket.destroyed) socket.resetAndDestroy();
}
