/**
 * The memory of this process, between two guests. V8 gives back what an instance had when it collects, and is in no hurry:
 * the next guest would find too little left below the limit of the host.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What short evaluations leave is little: asking costs 10 µs, and collecting, where it comes to that, some ms. */
const LOOKED_AT_EACH = 256;

export class OwnMemory {
  readonly #base = process.memoryUsage.rss();
  readonly #collect: () => void;
  readonly #heldMost: number;
  #heldMax: number;
  #looked = 0;

  /**
   * @param heldMax so many bytes of earlier guests stay uncollected, or are kept
   * @param heldMost where collecting does not come to that, since something stays: so many; default the same
   */
  constructor(heldMax: number, heldMost = heldMax) {
    this.#heldMax = heldMax;
    this.#heldMost = heldMost;
    setFlagsFromString('--expose-gc');
    this.#collect = runInNewContext('gc') as () => void;
    // Whatever context is made from now on belongs to a guest.
    setFlagsFromString('--no-expose-gc');
  }

  /**
   * @param letGo called where collecting alone does not give enough back
   * @returns whether it is well: false where more stays than may
   */
  settle(letGo: () => void): boolean {
    if (!this.#isMuch() || this.#isLittleCollected()) return true;
    letGo();
    if (this.#isLittleCollected()) return true;
    // Collecting for what stays again and again would cost every guest its time.
    this.#heldMax = this.#heldMost;
    return !this.#isMuch();
  }

  /** As {@link settle}, now and then. */
  settleSometimes(letGo: () => void): boolean {
    this.#looked = (this.#looked + 1) % LOOKED_AT_EACH;
    return this.#looked !== 0 || this.settle(letGo);
  }

  #isLittleCollected(): boolean {
    this.#collect();
    if (!this.#isMuch()) return true;
    // What one collection found dead is given back on a thread beside this one; the next waits for that.
    this.#collect();
    return !this.#isMuch();
  }

  #isMuch(): boolean {
    return process.memoryUsage.rss() - this.#base > this.#heldMax;
  }
}
