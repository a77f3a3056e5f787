/**
 * Signals that the caller sends us, and what becomes of the guest.
 *
 * SIGINT from a keyboard goes to the guest, which may go on (an interpreter's prompt); the second ends it. Every other
 * one is passed on, and what has not ended after the grace is ended: a supervisor that stops us has stopped the guest.
 */

export interface Endable {
  /** To the guest's process group. */
  signal(name: NodeJS.Signals): void;
  /** The whole tree, at once. */
  kill(): void;
}

export const GRACE_MS = 2000;

/** Two Ctrl-C within this time mean: end it. */
const TWICE_MS = 1000;

const watched = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export class GuestSignals {
  readonly #guest: Endable;
  readonly #keyboard: boolean;
  #received: NodeJS.Signals | undefined;
  #typedAt = Number.NEGATIVE_INFINITY;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #on = (signal: NodeJS.Signals): void => this.receive(signal);

  /** @param keyboard whether a person at a terminal may have typed Ctrl-C */
  constructor(guest: Endable, keyboard: boolean) {
    this.#guest = guest;
    this.#keyboard = keyboard;
    for (const signal of watched) process.on(signal, this.#on);
  }

  /** The last one, which the exit code tells of when it ended the guest. */
  get received(): NodeJS.Signals | undefined {
    return this.#received;
  }

  /**
   * Ctrl-C was typed: the second within a second ends the guest. The first may come as a signal, when the terminal was
   * not raw yet, and the second as a byte, in either order.
   */
  typed(): void {
    const now = performance.now();
    if (now - this.#typedAt <= TWICE_MS) this.#guest.kill();
    this.#typedAt = now;
  }

  receive(signal: NodeJS.Signals): void {
    this.#received = signal;
    if (signal === 'SIGINT' && this.#keyboard) this.typed();
    if (++this.#count > 1) {
      this.#guest.kill();
      return;
    }
    this.#guest.signal(signal);
    if (signal === 'SIGINT' && this.#keyboard) return;
    this.#timer = setTimeout(() => this.#guest.kill(), GRACE_MS);
  }

  /** The reader of the guest's output has gone: it hears what any writer of a pipe hears. */
  lostReader(): void {
    this.receive('SIGPIPE');
  }

  close(): void {
    for (const signal of watched) process.off(signal, this.#on);
    clearTimeout(this.#timer);
  }
}
