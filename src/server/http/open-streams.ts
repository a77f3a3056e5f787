/** Streams that are open: WebSockets and event streams, so many of one tenant. */
import { CaissonError } from '../../core/error.ts';

export class OpenStreams {
  readonly #most: number;
  readonly #open = new Map<string, number>();

  /** @param most of one tenant, `limits.maxStreams` */
  constructor(most: number) {
    this.#most = most;
  }

  /** @throws RATE_LIMITED */
  requireRoom(tenant: string): void {
    if (this.of(tenant) < this.#most) return;
    throw new CaissonError('RATE_LIMITED', {
      layer: 'server',
      message: `${tenant} has ${this.#most} streams open, and may have no more`,
      hint: 'close one, or ask the operator for more (limits.maxStreams)',
      details: { retryAfterMs: 1000 },
    });
  }

  /** @returns closes it, once @throws RATE_LIMITED */
  open(tenant: string): () => void {
    this.requireRoom(tenant);
    this.#open.set(tenant, this.of(tenant) + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const left = this.of(tenant) - 1;
      if (left === 0) this.#open.delete(tenant);
      else this.#open.set(tenant, left);
    };
  }

  of(tenant: string): number {
    return this.#open.get(tenant) ?? 0;
  }
}
