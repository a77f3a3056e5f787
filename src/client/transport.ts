/**
 * Requests to a service, by the routes that it promises. What is no success becomes the error that the service tells of;
 * what is not the service's becomes REMOTE_FAILED. Redirects are not followed: credentials go to one address alone.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import {
  type BodyInputOf,
  type ParamsOf,
  pathOf,
  type QueryInputOf,
  type Route,
  type ValueOf,
} from '../api/route.ts';
import { CaissonError } from '../core/error.ts';
import { type ConnectOptions, connectionOf, invalid } from './connect-options.ts';
import { documentOf, failure, refusalOf, textOf } from './remote-answer.ts';

export interface AskOptions<R extends Route> {
  readonly params?: ParamsOf<R>;
  readonly query?: QueryInputOf<R>;
  readonly body?: BodyInputOf<R>;
  /** Instead of a body of JSON. */
  readonly stream?: Readable | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Statuses that are no failure, beside success. */
  readonly also?: readonly number[];
  /** It is done once, however often it is sent; it goes on when its client goes away. */
  readonly idempotencyKey?: string | undefined;
}

interface Sending {
  readonly method: string;
  readonly path: string;
  readonly payload: Readable | Uint8Array | string | undefined;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal | undefined;
}

export class Transport {
  readonly base: URL;
  readonly socketPath: string | undefined;
  readonly ca: string | Buffer | undefined;
  readonly silenceMs: number;
  readonly #answerBytes: number;
  readonly #agent: HttpAgent | HttpsAgent;
  /** Its connections have served nobody before. */
  readonly #fresh: HttpAgent | HttpsAgent;
  readonly #authorization: string | undefined;
  #isClosed = false;

  /** @throws REQUEST_INVALID */
  constructor(options: ConnectOptions) {
    const { base, socketPath, apiKey, ca, connections, silenceMs, answerBytes } =
      connectionOf(options);
    this.base = base;
    this.socketPath = socketPath;
    this.ca = ca;
    this.silenceMs = silenceMs;
    this.#answerBytes = answerBytes;
    this.#authorization = apiKey === undefined ? undefined : `Bearer ${apiKey}`;
    const Agent = this.base.protocol === 'https:' ? HttpsAgent : HttpAgent;
    const trusted = ca === undefined ? {} : { ca };
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ...trusted });
    this.#fresh = new Agent({ keepAlive: false, ...trusted });
  }

  get headers(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** The path of a route, with what it asks. @throws REQUEST_INVALID for a name that would lead elsewhere */
  pathOf<R extends Route>(
    route: R,
    { params, query }: Pick<AskOptions<R>, 'params' | 'query'>,
  ): string {
    const named = (params ?? {}) as Record<string, unknown>;
    for (const [name, value] of Object.entries(named)) {
      if (/^\.{0,2}$/.test(String(value))) {
        throw invalid(`${JSON.stringify(value)} is no ${name}`, 'give one that a service told');
      }
    }
    const path = pathOf(route.path, named as Record<string, string>);
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
      if (value !== undefined) words.set(name, String(value));
    }
    const text = words.size === 0 ? '' : `?${words}`;
    return `${this.base.pathname.replace(/\/$/, '')}${path}${text}`;
  }

  /** The document that a route answers with. @throws what the service says, REMOTE_FAILED, ABORTED */
  async ask<R extends Route>(route: R, options: AskOptions<R> = {}): Promise<ValueOf<R>> {
    return (await this.askWithHeaders(route, options)).value;
  }

  async askWithHeaders<R extends Route>(
    route: R,
    options: AskOptions<R> = {},
  ): Promise<{ readonly value: ValueOf<R>; readonly headers: IncomingMessage['headers'] }> {
    const response = await this.open(route, options);
    const { headers, statusCode = 0 } = response;
    const text = await textOf(response, this.#answerBytes, options.signal);
    return { value: documentOf(route, statusCode, text) as ValueOf<R>, headers };
  }

  /** An answer that is text, whole. */
  async askText<R extends Route>(route: R, options: AskOptions<R> = {}): Promise<string> {
    return await textOf(await this.open(route, options), this.#answerBytes, options.signal);
  }

  /** As {@link ask}, with the body of the answer as it comes. */
  async open<R extends Route>(route: R, options: AskOptions<R> = {}): Promise<IncomingMessage> {
    const { body, stream, headers, signal, also = [], idempotencyKey } = options;
    if (this.#isClosed) throw closed();
    requireSendable({ 'the idempotency key': idempotencyKey, ...headers });
    const sending: Sending = {
      method: route.method,
      path: this.pathOf(route, options),
      payload: stream ?? (body === undefined ? undefined : jsonOf(body)),
      signal,
      headers: {
        ...this.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...headers,
      },
    };
    // Whoever reads changes nothing; what has a key is done once.
    const isRepeatable = route.method === 'GET' || idempotencyKey !== undefined;
    const response = await this.#send(sending, isRepeatable);
    const { statusCode = 0 } = response;
    if ((statusCode >= 200 && statusCode < 300) || also.includes(statusCode)) return response;
    throw await refusalOf(response, signal);
  }

  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
    this.#fresh.destroy();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async #send(sending: Sending, isRepeatable: boolean): Promise<IncomingMessage> {
    const first = await this.#sendOnce(sending, this.#agent);
    if (!(first instanceof Broken)) return first;
    const { payload, signal } = sending;
    const isWhole = payload === undefined || isBytes(payload);
    // It was idle, and the service closed it while the request was on its way: nothing is wrong with the service.
    if (isRepeatable && isWhole && first.wasReset && signal?.aborted !== true && !this.#isClosed) {
      const second = await this.#sendOnce(sending, this.#fresh);
      if (!(second instanceof Broken)) return second;
      throw failure(second.cause, signal);
    }
    throw this.#isClosed ? closed() : failure(first.cause, signal);
  }

  #sendOnce(
    { method, path, payload, headers, signal }: Sending,
    agent: HttpAgent,
  ): Promise<IncomingMessage | Broken> {
    const { promise, resolve } = Promise.withResolvers<IncomingMessage | Broken>();
    const { protocol, hostname, port } = this.base;
    const isWhole = isBytes(payload);
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)({
      agent,
      method,
      path,
      timeout: this.silenceMs,
      headers: isWhole
        ? { ...headers, 'content-length': String(Buffer.byteLength(payload)) }
        : headers,
      ...(this.socketPath === undefined
        ? { host: hostname.replace(/^\[|\]$/g, ''), port }
        : { socketPath: this.socketPath }),
      ...(signal === undefined ? {} : { signal }),
    });
    let response: IncomingMessage | undefined;
    request.once('response', (answered) => {
      response = answered;
      // A fault that comes before somebody reads it is told to them then.
      response.on('error', () => {});
      resolve(response);
    });
    request.on('timeout', () => {
      // Silence of ours: somebody takes the answer slowly, or makes the body slowly.
      const isOurs = (response?.readableLength ?? 0) > 0 || isWaitingForBody(request, payload);
      if (isOurs) request.setTimeout(this.silenceMs);
      else request.destroy(new Error(`it said nothing for ${this.silenceMs} ms`));
    });
    request.on('error', (cause: NodeJS.ErrnoException) => {
      const isReset = cause.code === 'ECONNRESET' || cause.code === 'EPIPE';
      resolve(new Broken(cause, request.reusedSocket && isReset));
    });
    if (payload === undefined || isWhole) request.end(payload);
    else {
      payload.once('error', (error) => request.destroy(error));
      request.once('close', () => payload.destroy());
      payload.pipe(request);
    }
    return promise;
  }
}

class Broken {
  readonly cause: Error;
  /** The connection had been used before, and was closed at its other end. */
  readonly wasReset: boolean;

  constructor(cause: Error, wasReset: boolean) {
    this.cause = cause;
    this.wasReset = wasReset;
  }
}

function isBytes(payload: Sending['payload']): payload is string | Uint8Array {
  return typeof payload === 'string' || payload instanceof Uint8Array;
}

function isWaitingForBody(request: ClientRequest, payload: Sending['payload']): boolean {
  if (payload === undefined || isBytes(payload) || request.writableEnded) return false;
  return !request.writableNeedDrain && request.socket?.connecting === false;
}

/** Of a header, Node throws for what HTTP does not let through. @throws REQUEST_INVALID */
function requireSendable(headers: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || /^[\t\x20-\x7e]*$/.test(value)) continue;
    throw invalid(`${name} cannot be sent`, 'write it in visible characters of ASCII');
  }
}

/** @throws REQUEST_INVALID for what JSON does not have */
function jsonOf(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'client',
      message: `the request cannot be written as JSON: ${(cause as Error).message}`,
      cause,
    });
  }
}

export function closed(): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', {
    layer: 'client',
    message: 'the client is closed',
    hint: 'open another one',
  });
}
