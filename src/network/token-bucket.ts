/** So many of something in a second on average, and a burst of them at once. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledMs: number;

  /**
   * @param rate In a second.
   * @param now Milliseconds that only grow.
   */
  constructor(rate: number, burst: number, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledMs = now();
  }

  take(): boolean {
    this.#fill();
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whole ones that can be taken now. */
  get left(): number {
    this.#fill();
    return Math.floor(this.#tokens);
  }

  /** Milliseconds until one can be taken; 0: now. */
  waitMs(): number {
    return this.#msUntil(1);
  }

  /** Milliseconds until it is full again. */
  fullMs(): number {
    return this.#msUntil(this.#burst);
  }

  #msUntil(tokens: number): number {
    this.#fill();
    return this.#tokens >= tokens ? 0 : ((tokens - this.#tokens) / this.#rate) * 1000;
  }

  #fill(): void {
    const nowMs = this.#now();
    const added = ((nowMs - this.#filledMs) / 1000) * this.#rate;
    this.#tokens = Math.min(this.#burst, this.#tokens + added);
    this.#filledMs = nowMs;
  }
}
