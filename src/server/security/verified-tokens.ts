/**
 * Tokens that were found good a short while ago, so that not each request costs the proof again. No token is kept: each is
 * known by its HMAC under a key that this process made and nobody has, so that neither a dump of the map nor the time that
 * a look into it takes says anything about a token.
 */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';

interface Entry<T> {
  readonly value: T;
  readonly untilMs: number;
}

export class VerifiedTokens<T> {
  /** As an object: made of bytes anew for each token, it takes ten times as long. */
  readonly #key = createSecretKey(randomBytes(32));
  readonly #entries = new Map<string, Entry<T>>();
  readonly #most: number;
  readonly #steadyMs: () => number;

  /** @param most kept; the one that was used longest ago goes @param steadyMs milliseconds that only grow */
  constructor(most: number, steadyMs: () => number) {
    this.#most = most;
    this.#steadyMs = steadyMs;
  }

  /** What a token is known by, here and as long as this process lives. */
  digest(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('base64');
  }

  get(digest: string): T | undefined {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return undefined;
    this.#entries.delete(digest);
    if (entry.untilMs <= this.#steadyMs()) return undefined;
    this.#entries.set(digest, entry);
    return entry.value;
  }

  set(digest: string, value: T, forMs: number): void {
    this.#entries.delete(digest);
    if (this.#entries.size >= this.#most) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    this.#entries.set(digest, { value, untilMs: this.#steadyMs() + forMs });
  }

  delete(digest: string): void {
    this.#entries.delete(digest);
  }

  clear(): void {
    this.#entries.clear();
  }

  get size(): number {
    return this.#entries.size;
  }
}
