/** Requests of a tenant that are not answered yet: each has a connection, and of those there are so many for all tenants. */
import { CaissonError } from '../../core/error.ts';

export class TenantRequests {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  /** @param most of one tenant, `limits.maxRequests` */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * @returns to be called when it has been answered, once
   * @throws RATE_LIMITED
   */
  begin(tenant: string): () => void {
    const open = this.of(tenant);
    if (open >= this.#most) throw tooMany(tenant, this.#most);
    this.#open.set(tenant, open + 1);
    return () => {
      const left = this.of(tenant) - 1;
      if (left === 0) this.#open.delete(tenant);
      else this.#open.set(tenant, left);
    };
  }

  of(tenant: string): number {
    return this.#open.get(tenant) ?? 0;
  }
}

function tooMany(tenant: string, most: number): CaissonError {
  return new CaissonError('RATE_LIMITED', {
    layer: 'server',
    message: `${most} requests of ${tenant} are being answered, and it may have no more at once`,
    hint: 'read what is answered, wait for it, or ask the operator for more (limits.maxRequests)',
    details: { retryAfterSeconds: 1 },
  });
}
