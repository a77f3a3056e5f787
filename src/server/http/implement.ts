/** Binds what a route promises to what carries it out. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import * as z from 'zod/mini';
import {
  type BodyOf,
  isBytes,
  type ParamsOf,
  type QueryOf,
  type Route,
  type ValueOf,
} from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import type { Caller } from './gatekeeper.ts';
import { withHeartbeat } from './heartbeat.ts';

/** A request that was let in, and is as the contract says. */
export interface Asked<R extends Route = Route> {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
  readonly caller: Caller;
  /** Aborted when the client goes away before it has been answered. */
  readonly signal: AbortSignal;
  /** Of the request, as in the log. */
  readonly id: string;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** An answer with another status than the route's first, or headers of its own. */
export class Reply<T> {
  readonly value: T;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    value: T,
    { status, headers = {} }: { status?: number; headers?: Readonly<Record<string, string>> },
  ) {
    this.value = value;
    this.status = status;
    this.headers = headers;
  }
}

type Answered<R extends Route> = ValueOf<R> | Readable | Reply<ValueOf<R> | Readable>;
export type Handler<R extends Route> = (asked: Asked<R>) => Answered<R> | Promise<Answered<R>>;

export function implement<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: Handler<R>,
  { bodyLimit }: { readonly bodyLimit?: number } = {},
): void {
  const status = Number(Object.keys(route.answers)[0] ?? 200);
  app.route({
    method: route.method,
    url: urlOf(route),
    config: { contract: route },
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    handler: async (request, reply) => {
      const work = async () => await handler(askedOf(route, request, reply));
      if (route.long !== true) return send(reply, route, status, await work());
      const soon = await withHeartbeat(reply, work(), status, (late) => render(documentOf(late)));
      return soon === undefined ? reply : send(reply, route, status, soon.value);
    },
  });
}

/** A WebSocket: who may, and what it asks, is settled before it is one. */
export function implementSocket<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: (asked: Omit<Asked<R>, 'reply'>, socket: WebSocket) => void,
): void {
  app.route({
    method: 'GET',
    url: urlOf(route),
    config: { contract: route },
    preValidation: async (request) => {
      // What is wrong with it is answered over HTTP, while that is still possible.
      parse(route.params, request.params, 'the path');
      parse(route.query, request.query, 'the query');
    },
    handler: (_, reply) => {
      reply.header('connection', 'upgrade').header('upgrade', 'websocket');
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'server',
        message: 'this is a WebSocket',
        hint: 'ask for an upgrade',
      });
    },
    wsHandler: (socket, request) => {
      const controller = new AbortController();
      socket.once('close', () => controller.abort());
      const { id, caller } = request;
      const asked = {
        params: parse(route.params, request.params, 'the path') as ParamsOf<R>,
        query: parse(route.query, request.query, 'the query') as QueryOf<R>,
        body: undefined as BodyOf<R>,
        caller,
        signal: controller.signal,
        id,
        request,
      };
      handler(asked, socket);
    },
  });
}

/** Fastify's way to write a path. */
export function urlOf({ path }: Route): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function askedOf<R extends Route>(
  route: R,
  request: FastifyRequest,
  reply: FastifyReply,
): Asked<R> {
  const { id, caller } = request;
  const params = parse(route.params, request.params, 'the path') as ParamsOf<R>;
  const query = parse(route.query, request.query, 'the query') as QueryOf<R>;
  const body = bodyOf(route, request) as BodyOf<R>;
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return { params, query, body, caller, signal: controller.signal, id, request, reply };
}

function bodyOf(route: Route, request: FastifyRequest): unknown {
  const { body } = request;
  if (isBytes(route.body)) {
    if (body instanceof Readable) return body;
    if (body === undefined || body === null) return Readable.from([]);
    throw wrongType(`send content-type: ${route.body.bytes}`);
  }
  if (route.body === undefined) {
    if (body === undefined || body === null) return undefined;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: 'this request takes no body',
    });
  }
  if (body instanceof Readable) throw wrongType('send content-type: application/json');
  if (body === undefined && route.bodyOptional === true) return undefined;
  return parse(route.body, body, 'the body');
}

/** @throws REQUEST_INVALID that names every field */
function parse(schema: z.ZodMiniType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) {
    if (value === undefined || Object.keys(value as object).length === 0) return {};
    schema = z.strictObject({});
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => ({
    path: path.join('.'),
    message,
  }));
  const [first] = problems;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `${what}: ${first?.path === '' ? '' : `${first?.path}: `}${first?.message}`,
    hint: 'the service describes every request at /openapi.json',
    details: { problems },
  });
}

function send<R extends Route>(
  reply: FastifyReply,
  route: R,
  status: number,
  answered: Answered<R>,
): FastifyReply {
  if (answered instanceof Reply) reply.headers(answered.headers);
  const code = answered instanceof Reply ? (answered.status ?? status) : status;
  const value = documentOf(answered);
  reply.code(code);
  if (value === undefined) return reply.send();
  const content = route.answers[code]?.content;
  if (content !== undefined) return reply.type(content).send(value);
  const text = render(value);
  if (route.method === 'GET' && code === 200) {
    const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
    reply.header('etag', etag);
    if (isKnown(reply.request.headers['if-none-match'], etag)) return reply.code(304).send();
  }
  return reply.type('application/json').send(text);
}

function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}

function documentOf<T>(answered: T | Reply<T>): T {
  return answered instanceof Reply ? answered.value : answered;
}

function render(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? each.toString() : each));
}

function wrongType(hint: string): CaissonError {
  return new CaissonError('MEDIA_TYPE_UNSUPPORTED', { layer: 'server', hint });
}
