/** Requests that are being answered: counted, so that a service can come to an end between them. */
import { setTimeout as sleep } from 'node:timers/promises';

export class Requests {
  #open = 0;
  #idle: (() => void) | undefined;

  get open(): number {
    return this.#open;
  }

  begin(): void {
    this.#open += 1;
  }

  end(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#idle?.();
  }

  /** Whoever waits for them waits no longer. */
  giveUp(): void {
    this.#idle?.();
  }

  /** Settles when none is left, or after `timeoutMs`. */
  async ended(timeoutMs: number): Promise<void> {
    if (this.#open === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    const timer = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([idle, late]);
    timer.abort();
  }
}
