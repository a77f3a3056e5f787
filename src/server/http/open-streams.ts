/** Streams that are open: WebSockets and event streams, so many of one tenant, each as long as its caller is let in. */
import type { FastifyRequest } from 'fastify';
import { CaissonError, isCaissonError } from '../../core/error.ts';

export interface OpenStreamsOptions {
  /** Of one tenant, `limits.maxStreams`. */
  readonly most: number;
  /** How often it is asked whether the caller of a stream is still let in. */
  readonly askEveryMs: number;
  /** Throws UNAUTHENTICATED or FORBIDDEN where they are not: a key was revoked, a token is over. */
  readonly admit: (request: FastifyRequest) => Promise<void>;
}

export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #open = new Map<string, number>();

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  /** @throws RATE_LIMITED */
  requireRoom(tenant: string): void {
    const { most } = this.#options;
    if (this.of(tenant) < most) return;
    throw new CaissonError('RATE_LIMITED', {
      layer: 'server',
      message: `${tenant} has ${most} streams open, and may have no more`,
      hint: 'close one, or ask the operator for more (limits.maxStreams)',
      details: { retryAfterSeconds: 1 },
    });
  }

  /**
   * @param end called when its caller is not let in any more
   * @returns closes it, once
   * @throws RATE_LIMITED
   */
  open(request: FastifyRequest, end: () => void): () => void {
    const { tenant } = request.caller;
    this.requireRoom(tenant);
    this.#open.set(tenant, this.of(tenant) + 1);
    const { askEveryMs, admit } = this.#options;
    const timer = setInterval(() => {
      admit(request).catch((error: unknown) => {
        // Who cannot be asked about now, or asks too often, is asked about again.
        const isOut =
          isCaissonError(error) && ['UNAUTHENTICATED', 'FORBIDDEN'].includes(error.code);
        if (isOut && isOpen) end();
      });
    }, askEveryMs);
    timer.unref();
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      clearInterval(timer);
      const left = this.of(tenant) - 1;
      if (left === 0) this.#open.delete(tenant);
      else this.#open.set(tenant, left);
    };
  }

  of(tenant: string): number {
    return this.#open.get(tenant) ?? 0;
  }
}
