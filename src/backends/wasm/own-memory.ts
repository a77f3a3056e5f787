/**
 * The memory of this process, between two guests. V8 gives back what an instance had when it collects, and is in no hurry:
 * the next guest would find too little left below the limit of the host.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MiB = 2 ** 20;
/** So much of earlier guests stays uncollected, or is kept. */
const HELD_MAX = 24 * MiB;

export class OwnMemory {
  readonly #base = process.memoryUsage.rss();
  readonly #collect: () => void;

  constructor() {
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
  }

  /** @param letGo called where collecting alone does not give enough back */
  settle(letGo: () => void): void {
    if (!this.#isMuch()) return;
    this.#collect();
    if (!this.#isMuch()) return;
    letGo();
    this.#collect();
  }

  #isMuch(): boolean {
    return process.memoryUsage.rss() - this.#base > HELD_MAX;
  }
}
