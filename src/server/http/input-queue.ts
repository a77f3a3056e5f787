/** What came over a WebSocket for something that takes it more slowly; past a window the client is not read from. */
import type { Writable } from 'node:stream';
import type { SocketChannel } from './socket-channel.ts';

/** What each message costs beside its bytes, so that a flood of tiny ones is held back like few large ones. */
const MESSAGE_COST = 256;
/** Tiny ones that wait go on together: what comes after has its own cost for each. */
const TOGETHER = 64 * 1024;

export interface InputQueueOptions {
  /** Bytes that may wait here. */
  readonly window: number;
  /** Told how many bytes have been taken, now and then. */
  readonly onTaken?: (bytes: number) => void;
}

export class InputQueue {
  readonly #channel: SocketChannel;
  readonly #options: InputQueueOptions;
  readonly #pieces: Buffer[] = [];
  #cost = 0;
  #taken = 0;
  #told = 0;
  #isEnded = false;
  #isWriting = false;
  #into: Writable | undefined;

  constructor(channel: SocketChannel, options: InputQueueOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  add(piece: Buffer): void {
    if (piece.length === 0 || this.#isEnded) return;
    this.#pieces.push(piece);
    this.#cost += piece.length + MESSAGE_COST;
    if (this.#cost > this.#options.window) this.#channel.pause();
    this.#flow();
  }

  end(): void {
    this.#isEnded = true;
    this.#flow();
  }

  /** From now on it goes there. */
  lead(into: Writable): void {
    this.#into = into;
    this.#flow();
  }

  #flow(): void {
    if (this.#into === undefined || this.#isWriting) return;
    const first = this.#pieces[0];
    if (first === undefined) {
      if (this.#isEnded) this.#into.end();
      return;
    }
    let [count, bytes] = [0, 0];
    do bytes += this.#pieces[count++]?.length ?? 0;
    while (bytes + (this.#pieces[count]?.length ?? TOGETHER) <= TOGETHER);
    const pieces = this.#pieces.splice(0, count);
    this.#isWriting = true;
    // Whoever has closed its end takes everything: nobody waits for it.
    this.#into.write(count === 1 ? first : Buffer.concat(pieces, bytes), () =>
      this.#took(bytes, count),
    );
  }

  #took(bytes: number, messages: number): void {
    const { window, onTaken } = this.#options;
    this.#isWriting = false;
    this.#cost -= bytes + messages * MESSAGE_COST;
    this.#taken += bytes;
    if (this.#taken - this.#told >= window / 4) {
      this.#told = this.#taken;
      onTaken?.(this.#taken);
    }
    if (this.#cost < window / 2) this.#channel.resume();
    this.#flow();
  }
}
