/**
 * Bodies that are on their way. Node has one limit for a whole request, which must leave time for uploads; here those that
 * are none must have arrived sooner. One look at all of them now and then, instead of a timer for each.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isBytes } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';

interface Arrival {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** By `performance.now()`. Of an upload: from when it has been answered; until then whoever takes it sees to it. */
  sinceMs: number | undefined;
}

export class Arrivals {
  readonly #withinMs: number;
  readonly #pending = new Map<FastifyRequest, Arrival>();
  readonly #timer: NodeJS.Timeout;

  /** @param withinMs a body that is no upload must be there by then */
  constructor(withinMs: number) {
    this.#withinMs = withinMs;
    this.#timer = setInterval(() => this.#look(), checkEvery(withinMs));
    this.#timer.unref();
  }

  /** How many are on their way. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A request of which the headers are there. */
  expect(request: FastifyRequest, reply: FastifyReply): void {
    const { headers } = request.raw;
    const length = headers['content-length'];
    const hasBody =
      headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
    if (!hasBody) return;
    const { contract } = request.routeOptions.config;
    const isUpload = contract !== undefined && isBytes(contract.body);
    this.#pending.set(request, {
      request,
      reply,
      sinceMs: isUpload ? undefined : performance.now(),
    });
  }

  /** Its body has been read, where it is to be read. */
  arrived(request: FastifyRequest): void {
    if (request.raw.complete) this.#pending.delete(request);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#pending.clear();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [request, arrival] of this.#pending) {
      const { raw } = request;
      if (raw.complete || raw.destroyed || raw.socket.destroyed) {
        this.#pending.delete(request);
        continue;
      }
      if (arrival.reply.raw.writableFinished) arrival.sinceMs ??= nowMs;
      if (arrival.sinceMs === undefined || nowMs - arrival.sinceMs < this.#withinMs) continue;
      this.#pending.delete(request);
      giveUp(arrival);
    }
  }
}

/** Often enough that what is late by a quarter is found. */
export function checkEvery(withinMs: number): number {
  return Math.min(1000, Math.max(10, Math.floor(withinMs / 4)));
}

function giveUp({ request: { raw }, reply }: Arrival): void {
  // Whoever reads the body is told, and answers; where nobody does, it has been answered, or nobody ever will.
  if (reply.raw.headersSent || raw.listenerCount('error') === 0) {
    raw.socket.destroy();
    return;
  }
  reply.header('connection', 'close');
  reply.raw.once('finish', () => raw.socket.destroySoon());
  raw.emit('error', tooSlow());
}

function tooSlow(): CaissonError {
  return new CaissonError('REQUEST_TIMEOUT', {
    layer: 'server',
    message: 'the body did not arrive in time',
    hint: 'the operator sets limits.requestTimeoutMs',
  });
}
