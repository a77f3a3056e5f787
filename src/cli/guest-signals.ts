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

const watched = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export class GuestSignals {
  readonly #guest: Endable;
  readonly #keyboard: boolean;
  #received: NodeJS.Signals | undefined;
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

  receive(signal: NodeJS.Signals): void {
    this.#received = signal;
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
