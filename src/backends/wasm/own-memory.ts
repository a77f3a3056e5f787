/**
 * The memory of this process, between two guests. V8 gives back what an instance had when it collects, and is in no hurry:
 * the next guest would find too little left below the limit of the host.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MiB = 2 ** 20;
/** So much of earlier guests stays uncollected, or is kept. */
const HELD_MAX = 24 * MiB;
/** The compiler of components, which stays; measured by test/backends/component-host-memory.test.ts. */
const COMPILER_MAX = 80 * MiB;
/** With all of its code compiled for speed. A host has room for this, too. */
const COMPILER_MOST = 108 * MiB;

export class OwnMemory {
  readonly #base = process.memoryUsage.rss();
  readonly #collect: () => void;
  readonly #hasCompiler: boolean;
  #heldMax: number;

  /** @param hasCompiler whether the compiler of components is here, too */
  constructor(hasCompiler: boolean) {
    this.#hasCompiler = hasCompiler;
    this.#heldMax = HELD_MAX + (hasCompiler ? COMPILER_MAX : 0);
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
    // What stays is the compiler's code: collecting for it again and again would cost every guest its time.
    if (this.#hasCompiler && this.#isMuch()) this.#heldMax = HELD_MAX + COMPILER_MOST;
  }

  #isMuch(): boolean {
    return process.memoryUsage.rss() - this.#base > this.#heldMax;
  }
}
