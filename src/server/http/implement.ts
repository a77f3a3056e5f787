/** Binds what a route promises to what carries it out. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import {
  type BodyOf,
  isBytes,
  type ParamsOf,
  type QueryOf,
  type Route,
  type ValueOf,
} from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import { withAcceptHint } from './accept-hint.ts';
import { firstStatus, type Rendered, Reply, send, toAnswer } from './answer.ts';
import type { Caller } from './gatekeeper.ts';
import { withHeartbeat } from './heartbeat.ts';
import { LargeAnswers } from './large-answers.ts';
import { parse } from './parse.ts';
import { SocketReader, SocketTurns } from './socket-turns.ts';

/** A request that was let in, and is as the contract says. */
export interface Asked<R extends Route = Route> {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
  readonly caller: Caller;
  /** Aborted when the client goes away before it has been answered, or the service stops: then its reason says so. */
  readonly signal: AbortSignal;
  /** Of the request, as in the log. */
  readonly id: string;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

type Answered<R extends Route> = ValueOf<R> | Readable | Rendered | Reply<ValueOf<R> | Readable>;
export type Handler<R extends Route> = (asked: Asked<R>) => Answered<R> | Promise<Answered<R>>;

export function implement<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: Handler<R>,
  { bodyLimit }: { readonly bodyLimit?: number } = {},
): void {
  app.route({
    method: route.method,
    url: urlOf(route),
    config: { contract: route },
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    handler: async (request, reply) => {
      const { idempotency } = app;
      const key = route.idempotent === true ? idempotency?.keyOf(request) : undefined;
      const asked = askedOf(app, route, request, reply, key !== undefined);
      const work = async () => {
        const answered = await recorded(app, route, async () => await handler(asked));
        const value = answered instanceof Reply ? answered.value : answered;
        await answersOf(app).room(request.caller.tenant, value, reply.raw);
        return toAnswer(route, answered);
      };
      const answer =
        key === undefined || idempotency === undefined
          ? work()
          : idempotency.once(route, request, key, work);
      if (route.long !== true) return send(reply, route, await answer);
      const soon = await withHeartbeat(reply, answer, firstStatus(route), app.heartbeat);
      return soon === undefined ? reply : send(reply, route, soon);
    },
  });
}

/** What was done is in the audit log before anybody is told, also where it failed. What was only read changes nothing. */
async function recorded<T>(
  app: FastifyInstance,
  { method }: Route,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw withAcceptHint(error, app.accept);
  } finally {
    if (method !== 'GET') await app.recorded();
  }
}

/** A request that has become a WebSocket. */
export interface SocketAsked<R extends Route = Route> extends Omit<Asked<R>, 'reply'> {
  /** Whoever holds it up or goes on with it says so here: others have their reasons, too. */
  readonly reader: SocketReader;
}

/** A WebSocket: who may, and what it asks, is settled before it is one. */
export function implementSocket<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: (asked: SocketAsked<R>, socket: WebSocket) => void,
  /** What must hold is asked here: it can still be answered over HTTP. */
  check?: (asked: Pick<Asked<R>, 'params' | 'query' | 'caller'>) => void | Promise<void>,
): void {
  app.route({
    method: 'GET',
    url: urlOf(route),
    config: { contract: route },
    preValidation: async (request) => {
      // What is wrong with it is answered over HTTP, while that is still possible.
      const params = parse(route.params, request.params, 'the path') as ParamsOf<R>;
      const query = parse(route.query, request.query, 'the query') as QueryOf<R>;
      app.streams.requireRoom(request.caller.tenant);
      await check?.({ params, query, caller: request.caller });
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
      const { id, caller } = request;
      const controller = new AbortController();
      const close = app.streams.open(request, () => {
        socket.close(1008);
        // Who is not let in any more need not agree.
        socket.terminate();
      });
      const reader = new SocketReader(socket);
      const leave = turnsOf(app).follow(caller.tenant, request.raw.socket, reader);
      socket.once('close', () => {
        leave();
        close();
        controller.abort();
      });
      const asked = {
        params: parse(route.params, request.params, 'the path') as ParamsOf<R>,
        query: parse(route.query, request.query, 'the query') as QueryOf<R>,
        body: undefined as BodyOf<R>,
        caller,
        signal: controller.signal,
        id,
        request,
        reader,
      };
      handler(asked, socket);
    },
  });
}

const answers = new WeakMap<FastifyInstance, LargeAnswers>();

function answersOf(app: FastifyInstance): LargeAnswers {
  const found = answers.get(app) ?? new LargeAnswers();
  answers.set(app, found);
  return found;
}

const turns = new WeakMap<FastifyInstance, SocketTurns>();

function turnsOf(app: FastifyInstance): SocketTurns {
  const found = turns.get(app) ?? new SocketTurns();
  turns.set(app, found);
  return found;
}

/** Fastify's way to write a path. */
export function urlOf({ path }: Route): string {
  return path.replace(/\{(\w+)\}/g, ':$1');
}

function askedOf<R extends Route>(
  app: FastifyInstance,
  route: R,
  request: FastifyRequest,
  reply: FastifyReply,
  /** It goes on without its client. */
  stays: boolean,
): Asked<R> {
  const { id, caller } = request;
  const params = parse(route.params, request.params, 'the path') as ParamsOf<R>;
  const query = parse(route.query, request.query, 'the query') as QueryOf<R>;
  const body = bodyOf(route, request) as BodyOf<R>;
  const controller = new AbortController();
  const leave = app.requests.follow(controller);
  reply.raw.once('close', () => {
    leave();
    if (!stays && !reply.raw.writableFinished) controller.abort();
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

function wrongType(hint: string): CaissonError {
  return new CaissonError('MEDIA_TYPE_UNSUPPORTED', { layer: 'server', hint });
}
