/**
 * Credentials that were wrong, counted by where they came from and by the key that they name, where there is one: whoever
 * tries many waits. Guessing is hopeless anyway; this keeps what a wrong guess costs us small. Many share an address behind a
 * proxy: what one of them gets wrong must not keep the others out, who name keys that are there; and what is most likely the
 * right secret is counted by itself.
 */
import { CaissonError } from '../../core/error.ts';
import { TokenBucket } from '../../network/token-bucket.ts';
import { parseAddress } from '../../policy/address.ts';
import { plainAddress } from '../../policy/special-address.ts';

/** In a second, for each address. */
const RATE = 0.5;
const BURST = 20;
const MOST_ADDRESSES = 10_000;

export class FailedAttempts {
  readonly #steadyMs: () => number;
  readonly #byOrigin = new Map<string, TokenBucket>();

  constructor(steadyMs: () => number) {
    this.#steadyMs = steadyMs;
  }

  /** @param address empty: a unix socket @param key id of one that is there, or what it is told apart by @throws RATE_LIMITED */
  check(address: string, key?: string): void {
    const bucket = this.#byOrigin.get(originOf(address, key));
    const waitMs = bucket?.waitMs() ?? 0;
    if (waitMs === 0) return;
    throw new CaissonError('RATE_LIMITED', {
      layer: 'server',
      message: 'too many credentials were wrong that came from there',
      hint: 'wait, and look at what the client sends',
      details: { retryAfterSeconds: Math.ceil(waitMs / 1000) },
    });
  }

  count(address: string, key?: string): void {
    const origin = originOf(address, key);
    let bucket = this.#byOrigin.get(origin);
    if (bucket === undefined) {
      if (this.#byOrigin.size >= MOST_ADDRESSES) {
        const [oldest] = this.#byOrigin.keys();
        if (oldest !== undefined) this.#byOrigin.delete(oldest);
      }
      bucket = new TokenBucket(RATE, BURST, this.#steadyMs);
    }
    // The one that failed last goes last.
    this.#byOrigin.delete(origin);
    this.#byOrigin.set(origin, bucket);
    bucket.take();
  }
}

/** Whoever has an IPv6 address has 2^64 of them. */
function originOf(address: string, key = ''): string {
  const plain = plainAddress(address.replace(/%.*$/, '')) ?? address;
  const parsed = parseAddress(plain);
  return `${key} ${parsed?.family === 6 ? `6:${parsed.bits >> 64n}` : plain}`;
}
