/**
 * Requests to a service, by the routes that it promises. Answers that are no success become the error that the service
 * tells of; an answer that is not the service's becomes REMOTE_FAILED.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { resolve as resolvePath } from 'node:path';
import type { Readable } from 'node:stream';
import { errorOf, type Problem, problemSchema } from '../api/problem.ts';
import {
  type BodyInputOf,
  type ParamsOf,
  pathOf,
  type QueryInputOf,
  type Route,
  type ValueOf,
} from '../api/route.ts';
import { CaissonError } from '../core/error.ts';

export interface ConnectOptions {
  /** `http://127.0.0.1:8640`, `https://…`. */
  readonly url?: string;
  /** Path of the unix socket that it listens on, instead. */
  readonly socketPath?: string;
  /** API key or JWT; absent: none, for a service that takes anonymous callers. */
  readonly apiKey?: string;
  /** Certificates (PEM) that the service's one leads to, beside Node's own. */
  readonly ca?: string | Buffer;
  /** Connections at once; default 256. */
  readonly connections?: number;
}

export interface AskOptions<R extends Route> {
  readonly params?: ParamsOf<R>;
  readonly query?: QueryInputOf<R>;
  readonly body?: BodyInputOf<R>;
  /** Instead of a body of JSON. */
  readonly stream?: Readable | Uint8Array | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_CONNECTIONS = 256;
/** A service says something every few seconds, whatever it does. */
const SILENCE_MS = 120_000;
const MOST_PROBLEM_BYTES = 2 ** 20;

export class Transport {
  readonly base: URL;
  readonly socketPath: string | undefined;
  readonly ca: string | Buffer | undefined;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #authorization: string | undefined;

  /** @throws REQUEST_INVALID */
  constructor({ url, socketPath, apiKey, ca, connections = DEFAULT_CONNECTIONS }: ConnectOptions) {
    if ((url === undefined) === (socketPath === undefined)) {
      throw invalid('a service has either a URL or a socket', 'give url, or socketPath');
    }
    this.base = baseOf(url ?? 'http://localhost');
    this.socketPath = socketPath === undefined ? undefined : resolvePath(socketPath);
    this.ca = ca;
    this.#authorization = apiKey === undefined ? undefined : `Bearer ${apiKey}`;
    const settings = { keepAlive: true, maxSockets: connections };
    this.#agent =
      this.base.protocol === 'https:'
        ? new HttpsAgent({ ...settings, ...(ca === undefined ? {} : { ca }) })
        : new HttpAgent(settings);
  }

  get headers(): Record<string, string> {
    return this.#authorization === undefined ? {} : { authorization: this.#authorization };
  }

  /** The path of a route, with what it asks. */
  pathOf<R extends Route>(
    route: R,
    { params, query }: Pick<AskOptions<R>, 'params' | 'query'>,
  ): string {
    const path = pathOf(route.path, (params ?? {}) as Record<string, string>);
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
      if (value !== undefined) words.set(name, String(value));
    }
    const text = words.size === 0 ? '' : `?${words}`;
    return `${this.base.pathname.replace(/\/$/, '')}${path}${text}`;
  }

  /** The document that a route answers with. @throws what the service says, REMOTE_FAILED, ABORTED */
  async ask<R extends Route>(route: R, options: AskOptions<R> = {}): Promise<ValueOf<R>> {
    const response = await this.open(route, options);
    const text = await textOf(response);
    if (text.length === 0) return undefined as ValueOf<R>;
    const value = parseJson(text);
    // It failed after its status had been sent: docs/service.md, "Long calls".
    if (isLate(value)) throw errorOf(value.problem);
    return value as ValueOf<R>;
  }

  /** As {@link ask}, with the body of the answer as it comes. */
  async open<R extends Route>(route: R, options: AskOptions<R> = {}): Promise<IncomingMessage> {
    const { body, stream, headers, signal } = options;
    const payload = stream ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await this.#send(route.method, this.pathOf(route, options), {
      payload,
      signal,
      headers: {
        ...this.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    const { statusCode = 0 } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    throw await problemOf(response);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    method: string,
    path: string,
    {
      payload,
      headers,
      signal,
    }: {
      readonly payload: Readable | Uint8Array | string | undefined;
      readonly headers: Record<string, string>;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const { protocol, hostname, port } = this.base;
    const isWhole = typeof payload === 'string' || payload instanceof Uint8Array;
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)({
      agent: this.#agent,
      method,
      path,
      timeout: SILENCE_MS,
      headers: isWhole
        ? { ...headers, 'content-length': String(Buffer.byteLength(payload)) }
        : headers,
      ...(this.socketPath === undefined
        ? { host: hostname.replace(/^\[|\]$/g, ''), port }
        : { socketPath: this.socketPath }),
      ...(signal === undefined ? {} : { signal }),
    });
    request.once('response', resolve);
    request.once('timeout', () => request.destroy(new Error('it said nothing for too long')));
    request.once('error', (cause: Error) => reject(failure(cause, signal)));
    if (payload === undefined || isWhole) request.end(payload);
    else {
      payload.once('error', (error) => request.destroy(error));
      payload.pipe(request);
    }
    return promise;
  }
}

function baseOf(url: string): URL {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`${JSON.stringify(url)} is no address of a service`, 'write http://HOST:PORT');
  }
  return new URL(url);
}

export async function textOf(
  response: IncomingMessage,
  most = Number.POSITIVE_INFINITY,
): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > most) break;
      parts.push(part);
    }
  } catch (cause) {
    throw remoteFailed('its answer ended in the middle', cause);
  }
  return Buffer.concat(parts).toString('utf8');
}

export async function problemOf(response: IncomingMessage): Promise<CaissonError> {
  const text = await textOf(response, MOST_PROBLEM_BYTES);
  const parsed = problemSchema.safeParse(tryJson(text));
  if (parsed.success) return errorOf(parsed.data);
  return remoteFailed(`it answered ${response.statusCode}, and not as a service of Caisson does`);
}

function parseJson(text: string): unknown {
  const value = tryJson(text);
  if (value === undefined) throw remoteFailed('its answer is not JSON');
  return value;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isLate(value: unknown): value is { readonly problem: Problem } {
  if (typeof value !== 'object' || value === null || !('problem' in value)) return false;
  return Object.keys(value).length === 1 && problemSchema.safeParse(value.problem).success;
}

export function failure(cause: unknown, signal: AbortSignal | undefined): CaissonError {
  if (signal?.aborted === true) {
    return new CaissonError('ABORTED', { layer: 'client', cause: signal.reason });
  }
  return remoteFailed((cause as Error).message, cause);
}

export function remoteFailed(message: string, cause?: unknown): CaissonError {
  return new CaissonError('REMOTE_FAILED', {
    layer: 'client',
    message: `the service could not be asked: ${message}`,
    hint: 'look whether it runs: GET /healthz',
    cause,
  });
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'client', message, hint });
}
