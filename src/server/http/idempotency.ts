/**
 * Requests that are done once, however often they are sent: with an `Idempotency-Key`, the answer is kept, and whoever
 * sends the same again gets it. Such a request goes on to its end when its client goes away: it will ask again.
 *
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, problemOf } from '../../api/problem.ts';
import type { Route } from '../../api/route.ts';
import { CaissonError, type ErrorCode, errorCodes } from '../../core/error.ts';
import type { IdempotencyId, IdempotencyStore } from '../../store/idempotency-record.ts';
import { type Answer, render } from './answer.ts';
import { toProblemError } from './problem-reply.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;
/** Refused before anything was done: the same may be tried again. */
const NOT_BEGUN: ReadonlySet<ErrorCode> = new Set([
  'QUEUE_FULL',
  'RESOURCE_EXHAUSTED',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'DRAINING',
  'AUDIT_UNAVAILABLE',
  'WALL_UNAVAILABLE',
  'POLICY_INVALID',
  'POLICY_NOT_FOUND',
  'POLICY_BEYOND_CEILING',
]);

export class Idempotency {
  readonly #store: IdempotencyStore;
  readonly #owner: string;
  readonly #keepMs: number;

  /** @param owner names this process, and no other that ever was */
  constructor(store: IdempotencyStore, owner: string, keepMs: number) {
    this.#store = store;
    this.#owner = owner;
    this.#keepMs = keepMs;
  }

  /** What a service that died was doing is lost from now on. */
  async adopt(): Promise<void> {
    await this.#store.adopt(this.#owner);
  }

  async prune(): Promise<void> {
    await this.#store.prune(Date.now());
  }

  /** @throws REQUEST_INVALID */
  keyOf(request: FastifyRequest): string | undefined {
    const key = request.headers['idempotency-key'];
    if (key === undefined) return undefined;
    if (typeof key === 'string' && KEY.test(key)) return key;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: 'the idempotency key cannot be used',
      hint: 'send 1 to 255 visible characters of ASCII, such as a UUID',
    });
  }

  /**
   * @returns what came of it, now or earlier; a refusal too
   * @throws IDEMPOTENCY_MISMATCH, CONFLICT, QUOTA_EXCEEDED
   */
  async once(
    route: Route,
    request: FastifyRequest,
    key: string,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    const id: IdempotencyId = { tenant: request.caller.tenant, route: route.id, key };
    const nowMs = Date.now();
    const begun = await this.#store.begin({
      ...id,
      digest: digestOf(request),
      owner: this.#owner,
      nowMs,
      expiresMs: nowMs + this.#keepMs,
    });
    if (begun.state === 'done') return again(begun.answer);
    if (begun.state !== 'begun') throw refusal(begun.state);
    let answer: Answer;
    try {
      answer = await work();
    } catch (error) {
      const known = toProblemError(error);
      if (NOT_BEGUN.has(known.code)) {
        await this.#store.forget(id);
        throw error;
      }
      const body = Buffer.from(JSON.stringify(problemOf(known, request.id)));
      const { status } = errorCodes[known.code];
      await this.#store.finish(id, { status, headers: { 'content-type': PROBLEM_TYPE }, body });
      throw error;
    }
    const { status, headers, body } = answer;
    await this.#store.finish(id, {
      status,
      headers,
      ...(typeof body === 'string' ? { body: Buffer.from(body) } : {}),
    });
    return answer;
  }
}

function again({
  status,
  headers,
  body,
  bodyOmitted,
}: {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly bodyOmitted: boolean;
}): Answer {
  if (bodyOmitted) {
    throw new CaissonError('CONFLICT', {
      layer: 'server',
      message: 'it was done, and its answer was too large to be kept',
      hint: 'send it under another key to do it again',
      details: { status },
    });
  }
  const told = { ...headers, 'idempotency-replayed': 'true' };
  return { status, headers: told, body: body === undefined ? undefined : Buffer.from(body) };
}

function refusal(state: 'running' | 'lost' | 'differs' | 'full'): CaissonError {
  if (state === 'differs') {
    return new CaissonError('IDEMPOTENCY_MISMATCH', {
      layer: 'server',
      hint: 'take another key for another request',
    });
  }
  if (state === 'full') {
    return new CaissonError('QUOTA_EXCEEDED', {
      layer: 'server',
      message: 'no more idempotency keys of this tenant can be remembered now',
      hint: 'send it without one, or later',
    });
  }
  return new CaissonError('CONFLICT', {
    layer: 'server',
    message:
      state === 'running'
        ? 'the request with this idempotency key is still being done'
        : 'the service ended while it did the request with this idempotency key',
    hint:
      state === 'running'
        ? 'send it again a little later'
        : 'nobody knows how far it came: look, and send it under another key',
    details: { state },
  });
}

/** Of everything that says what is to be done. */
function digestOf({ method, url, body }: FastifyRequest): string {
  return createHash('sha256')
    .update(`${method} ${url}\n`)
    .update(render(body ?? null))
    .digest('hex');
}
