/**
 * How often a tenant may ask. Told with the RateLimit headers that clients know
 * (draft-ietf-httpapi-ratelimit-headers-07: limit, remaining, seconds until it is full again) and Retry-After
 * (RFC 9110 section 10.2.3).
 */
import { CaissonError } from '../../core/error.ts';
import { TokenBucket } from '../../network/token-bucket.ts';
import type { TenantConfig } from '../config/tenant-config.ts';

export type RateName = 'requests' | 'executions';

interface Metered {
  readonly perSecond: number;
  readonly burst: number;
  readonly bucket: TokenBucket;
}

export class RateLimits {
  readonly #settings: (tenant: string) => TenantConfig;
  readonly #steadyMs: () => number;
  readonly #buckets = new Map<string, Metered>();

  /** @param steadyMs milliseconds that only grow */
  constructor(
    settings: (tenant: string) => TenantConfig,
    steadyMs: () => number = () => performance.now(),
  ) {
    this.#settings = settings;
    this.#steadyMs = steadyMs;
  }

  /**
   * Counts a request.
   *
   * @returns headers that say what is left, of the one that has least; none where nothing is limited
   * @throws RATE_LIMITED with `details {limit, retryAfterSeconds}`
   */
  count(tenant: string, names: readonly RateName[]): Readonly<Record<string, string>> {
    const metered = names.flatMap((name) => this.#bucket(tenant, name) ?? []);
    const empty = metered.find(({ bucket }) => bucket.left < 1);
    if (empty !== undefined) throw this.#refusal(tenant, empty);
    // Taken from all or from none.
    for (const { bucket } of metered) bucket.take();
    const [scarce] = metered.toSorted((a, b) => a.bucket.left - b.bucket.left);
    return scarce === undefined ? {} : headersOf(scarce);
  }

  #refusal(tenant: string, metered: Metered): CaissonError {
    const { perSecond, burst, bucket } = metered;
    return new CaissonError('RATE_LIMITED', {
      layer: 'server',
      message: `${tenant} may ask ${perSecond} times a second, and ${burst} times at once`,
      hint: 'wait as long as Retry-After says',
      details: {
        limit: { perSecond, burst },
        retryAfterSeconds: Math.max(1, Math.ceil(bucket.waitMs() / 1000)),
      },
    });
  }

  #bucket(tenant: string, name: RateName): Metered | undefined {
    const limit = this.#settings(tenant).rateLimits?.[name];
    const key = `${name} ${tenant}`;
    if (limit === undefined) {
      this.#buckets.delete(key);
      return undefined;
    }
    const { perSecond, burst } = limit;
    const known = this.#buckets.get(key);
    if (known?.perSecond === perSecond && known.burst === burst) return known;
    const bucket = new TokenBucket(perSecond, burst, this.#steadyMs);
    // Another limit is no new burst.
    for (
      let spent = known === undefined ? 0 : known.burst - known.bucket.left;
      spent > 0;
      spent--
    ) {
      if (!bucket.take()) break;
    }
    const metered = { perSecond, burst, bucket };
    this.#buckets.set(key, metered);
    return metered;
  }
}

function headersOf({ burst, bucket }: Metered): Record<string, string> {
  return {
    'ratelimit-limit': String(burst),
    'ratelimit-remaining': String(bucket.left),
    'ratelimit-reset': String(Math.ceil(bucket.fullMs() / 1000)),
  };
}
