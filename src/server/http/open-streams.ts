/** Streams that are open: WebSockets and event streams, so many of one tenant, each as long as its caller is let in. */
import type { FastifyRequest } from 'fastify';
import { isCaissonError } from '../../core/error.ts';
import { TenantShare } from './tenant-share.ts';

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
  readonly #share: TenantShare;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
    this.#share = new TenantShare({
      most: options.most,
      tell: (tenant, most) => ({
        message: `${tenant} has ${most} streams open, and may have no more`,
        hint: 'close one, or ask the operator for more (limits.maxStreams)',
      }),
    });
  }

  /** @throws RATE_LIMITED */
  requireRoom(tenant: string): void {
    this.#share.requireRoom(tenant);
  }

  /**
   * @param end called when its caller is not let in any more
   * @returns closes it, once
   * @throws RATE_LIMITED
   */
  open(request: FastifyRequest, end: () => void): () => void {
    const giveBack = this.#share.take(request.caller.tenant);
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
      isOpen = false;
      clearInterval(timer);
      giveBack();
    };
  }

  of(tenant: string): number {
    return this.#share.of(tenant);
  }
}
