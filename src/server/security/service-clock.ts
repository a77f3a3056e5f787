/**
 * What time it is, for whatever ends: keys, secrets that were replaced, tokens.
 *
 * A wall clock that is set back must not bring back what has ended. So this one is never behind what has passed, by the
 * clock that only grows, since it was made; set forward by mistake and put right again, it is right again, too.
 */
export class ServiceClock {
  readonly #wallMs: () => number;
  readonly #steadyMs: () => number;
  readonly #startMs: number;

  /** @param steadyMs Milliseconds that only grow. */
  constructor(wallMs: () => number = Date.now, steadyMs: () => number = () => performance.now()) {
    this.#wallMs = wallMs;
    this.#steadyMs = steadyMs;
    this.#startMs = wallMs() - steadyMs();
  }

  /** Unix ms, whole. */
  nowMs(): number {
    return Math.floor(Math.max(this.#wallMs(), this.#startMs + this.#steadyMs()));
  }

  /** Milliseconds that only grow, from nowhere in particular. */
  steadyMs(): number {
    return this.#steadyMs();
  }
}
