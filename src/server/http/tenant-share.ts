/** What each tenant has of something at once, and how much that may be. */
import { CaissonError } from '../../core/error.ts';

export interface TenantShareOptions {
  /** Of one tenant. */
  readonly most: number;
  /** That a tenant has so many: what it is told. */
  readonly tell: (tenant: string, most: number) => { message: string; hint: string };
}

export class TenantShare {
  readonly #options: TenantShareOptions;
  readonly #taken = new Map<string, number>();

  constructor(options: TenantShareOptions) {
    this.#options = options;
  }

  of(tenant: string): number {
    return this.#taken.get(tenant) ?? 0;
  }

  /** @throws RATE_LIMITED */
  requireRoom(tenant: string): void {
    const { most, tell } = this.#options;
    if (this.of(tenant) < most) return;
    throw new CaissonError('RATE_LIMITED', {
      layer: 'server',
      ...tell(tenant, most),
      details: { retryAfterSeconds: 1 },
    });
  }

  /**
   * @returns gives it back; a second time is no harm
   * @throws RATE_LIMITED
   */
  take(tenant: string): () => void {
    this.requireRoom(tenant);
    this.#taken.set(tenant, this.of(tenant) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = this.of(tenant) - 1;
      if (left === 0) this.#taken.delete(tenant);
      else this.#taken.set(tenant, left);
    };
  }
}
