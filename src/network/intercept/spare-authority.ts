/**
 * An authority that is made before anybody asks for one, so that a network which opens TLS starts as quickly as another:
 * making one takes some milliseconds of a core, the first one its modules as well. Each serves one sandbox.
 */
import type { Authority } from './authority.ts';

/** One that was made long ago would end soon after its sandbox was opened. */
const FRESH_MS = 24 * 3_600_000;
/** The network that took the last one comes first. */
const AFTER_MS = 20;

interface Spare {
  readonly authority: Promise<Authority>;
  readonly madeMs: number;
}

export class SpareAuthority {
  readonly #make: () => Promise<Authority>;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param make For tests. */
  constructor(make: () => Promise<Authority> = create) {
    this.#make = make;
  }

  /** Settles when one is ready. */
  async warm(): Promise<void> {
    await (this.#spare ?? this.#fill()).authority;
  }

  /** One that nobody has had; the next one is made soon after. */
  async take(): Promise<Authority> {
    const spare = this.#spare;
    this.#spare = undefined;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#spare === undefined) this.#fill();
    }, AFTER_MS).unref();
    const isFresh = spare !== undefined && performance.now() - spare.madeMs < FRESH_MS;
    return await (isFresh ? spare.authority : this.#make());
  }

  #fill(): Spare {
    const spare = { authority: this.#make(), madeMs: performance.now() };
    // A failure is told to whoever waits for it, and not remembered.
    spare.authority.catch(() => {
      if (this.#spare === spare) this.#spare = undefined;
    });
    this.#spare = spare;
    return spare;
  }
}

async function create(): Promise<Authority> {
  const { Authority } = await import('./authority.ts');
  return await Authority.create();
}
