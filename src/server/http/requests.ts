/** Requests that are being answered: counted, so that a service can come to an end between them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../core/error.ts';

export class Requests {
  #open = 0;
  readonly #works = new Set<AbortController>();
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

  /** @returns for when it has been answered */
  follow(work: AbortController): () => void {
    this.#works.add(work);
    return () => {
      this.#works.delete(work);
    };
  }

  /** What is still at work is given up, and whoever asked for it told so. */
  abort(): void {
    for (const work of this.#works) work.abort(stopped());
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

function stopped(): CaissonError {
  return new CaissonError('ABORTED', {
    layer: 'server',
    message: 'it was given up: the service stopped',
    hint: 'what it had done until then is done; ask again when the service is back',
  });
}
