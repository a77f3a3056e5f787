/**
 * Scans have threads of their own, each with grammars and a model in its memory: of a tenant one at a time, and few of all
 * together. Who waits comes in the order of asking, a tenant once, so that nobody waits for more than one of each other's.
 */
import { availableParallelism } from 'node:os';
import { CaissonError } from '../core/error.ts';
import { Turns } from '../core/turns.ts';

const AT_ONCE = 4;

export class ScanRoom {
  /** Of one scan: half of the machine. */
  readonly threads = Math.ceil(availableParallelism() / 2);
  readonly #turns = new Turns();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @throws ABORTED where the client is gone when its turn comes; what the work throws */
  during<T>(tenant: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.#turns.take(tenant, async () => {
      if (this.#running < AT_ONCE) this.#running += 1;
      else await new Promise<void>((enter) => this.#waiting.push(enter));
      try {
        if (signal.aborted)
          throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
        return await work();
      } finally {
        const next = this.#waiting.shift();
        // The place goes to the next one, so that nobody slips in between.
        if (next === undefined) this.#running -= 1;
        else next();
      }
    });
  }
}
