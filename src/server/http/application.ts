/**
 * What holds for every request: who asks, how large it may be, what it is called in the log, what happens when its
 * client goes away, and what an error looks like.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { fastifyWebsocket } from '@fastify/websocket';
import {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from 'fastify';
import type { Route } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import type { Telemetry } from '../../core/telemetry.ts';
import type { Config } from '../config/config.ts';
import { Arrivals, checkEvery } from './arrivals.ts';
import { ClientAddresses, type TrustedProxies } from './client-address.ts';
import { replyClientError } from './client-error.ts';
import { ConnectionRoom, connectionsWithin, descriptorsAllowed } from './connection-room.ts';
import { type Caller, type Gatekeeper, NOBODY, requireScope } from './gatekeeper.ts';
import type { Heartbeat } from './heartbeat.ts';
import { requireOneHost } from './host-header.ts';
import type { Idempotency } from './idempotency.ts';
import { isTooDeep, tooDeep } from './json-depth.ts';
import { LastConnections } from './last-connections.ts';
import { OpenStreams } from './open-streams.ts';
import { Pipelining } from './pipelining.ts';
import { replyProblem } from './problem-reply.ts';
import { traceRequests } from './request-spans.ts';
import type { Requests } from './requests.ts';
import { RoutePaths } from './route-paths.ts';
import { STRICT_HEADERS } from './strict-headers.ts';
import { TenantShare } from './tenant-share.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route promises. */
    contract?: Route;
  }
  interface FastifyInstance {
    /** What requests may go on without where the host cannot enforce it. */
    accept: readonly string[];
    /** Absent: no request is remembered. */
    idempotency: Idempotency | undefined;
    heartbeat: Heartbeat;
    /** Settles when what has happened is in the audit log: before that nobody is told of it. */
    recorded: () => Promise<void>;
    requests: Requests;
    /** WebSockets and event streams, by tenant. */
    streams: OpenStreams;
  }
  interface FastifyRequest {
    caller: Caller;
    /** Of the client, also behind trusted proxies; empty: a unix socket. */
    clientAddress: string;
  }
}

export interface ApplicationOptions {
  readonly gatekeeper: Gatekeeper;
  /** `accept` of the configuration; default none. */
  readonly accept?: readonly string[];
  readonly idempotency?: Idempotency;
  readonly limits: Config['limits'];
  readonly requests: Requests;
  /** Absent: there is no audit log. */
  readonly recorded?: () => Promise<void>;
  /** Absent: nobody is told of requests. */
  readonly telemetry?: Telemetry;
  /** No new work is taken. */
  readonly isDraining: () => boolean;
  /** Bytes of one message of a WebSocket; default 1 MiB. */
  readonly messageBytes?: number;
  /** Absent: nobody is believed who says for whom he asks. */
  readonly proxies?: TrustedProxies;
  readonly tls?: Pick<ServerOptions, 'cert' | 'key' | 'ca' | 'minVersion'>;
  /** Of the log, on stderr: `silent`, `error`, `warn`, `info`, `debug`; default `warn`. */
  readonly logLevel?: string;
}

const NO_PROXIES: TrustedProxies = { trustedProxies: [], proxyHeader: 'x-forwarded-for' };
const MiB = 2 ** 20;
const UPLOAD_TIMEOUT_MS = 3600_000;

export async function openApplication(options: ApplicationOptions): Promise<FastifyInstance> {
  const { gatekeeper, tls, limits, logLevel = 'warn' } = options;
  const pipelining = new Pipelining();
  const http = {
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: checkEvery(limits.headersTimeoutMs),
    maxHeaderSize: 16 * 1024,
    requireHostHeader: false,
    // Another protocol that is offered, such as h2c, is not taken (RFC 9110, 7.8): its request is one like any.
    // Nor is one behind a request that is still being answered: the connection is that answer's.
    shouldUpgradeCallback: ({ headers, socket }: IncomingMessage) =>
      headers.upgrade?.toLowerCase() === 'websocket' && pipelining.isFree(socket),
  };
  const arrivals = new Arrivals(limits.requestTimeoutMs);
  /** The last request of a connection. */
  const latest = new WeakMap<Socket, FastifyReply>();
  const settings: FastifyHttpOptions<Server> = {
    bodyLimit: limits.bodyBytes,
    // Of a whole request, an upload too: Node has one limit for all. A body that stands still is ended sooner.
    requestTimeout: UPLOAD_TIMEOUT_MS,
    keepAliveTimeout: limits.keepAliveMs,
    http,
    // Ids are ours: what a client calls its request is nobody's business in our log.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
    logController: new LogController({ disableRequestLogging: logLevel !== 'info' }),
    logger: {
      level: logLevel,
      redact: ['req.headers.authorization', 'req.headers.cookie'],
      // fd 2: what the service prints on stdout is for whoever started it.
      stream: process.stderr,
    },
    frameworkErrors: (error, request, reply) => {
      // No hook has seen it.
      if (isUpgrade(request)) reply.raw.once('finish', () => request.raw.socket.destroySoon());
      replyProblem(reply, error);
    },
    clientErrorHandler: (error, socket) => {
      replyClientError(error, socket as Socket, isAnswering(latest.get(socket as Socket)));
    },
  };
  const app =
    tls === undefined
      ? fastify(settings)
      : (fastify({
          ...settings,
          https: { ...http, minVersion: 'TLSv1.2', ...tls },
        } as FastifyHttpOptions<Server>) as FastifyInstance);

  const connections = new LastConnections();
  connections.follow(app);
  // First: it ends the connection of an upgrade that a later hook refuses.
  await app.register(fastifyWebsocket, {
    // Pings are answered where the socket is looked after: who sends them and reads no answer would fill this memory.
    options: {
      maxPayload: options.messageBytes ?? MiB,
      perMessageDeflate: false,
      autoPong: false,
      // Of a message that is not whole yet: each has its price beside its bytes.
      maxFragments: 1024,
      maxBufferedChunks: 4096,
    },
    preClose: (done) => {
      connections.end(app);
      done();
    },
    errorHandler: (error, socket, request) => {
      // What clients send that is no WebSocket is no fault of ours: ws has closed it, and said why.
      const isTheirs = String((error as NodeJS.ErrnoException).code).startsWith('WS_ERR_');
      request.log[isTheirs ? 'info' : 'error']({ err: error }, 'a WebSocket failed');
      if (!isTheirs) socket.close(1011);
    },
  });
  app.server.prependListener('upgrade', (_, socket) => {
    // Node has let go of it: where nobody answers, nothing else would end it with its client.
    socket.once('end', () => socket.end());
  });
  pipelining.follow(app.server);
  const paths = new RoutePaths();
  const addresses = new ClientAddresses(options.proxies ?? NO_PROXIES);
  const most = connectionsWithin(limits.maxConnections, descriptorsAllowed());
  if (most < limits.maxConnections) {
    app.log.warn(
      `limits.maxConnections is ${limits.maxConnections}; with the descriptors of this process (RLIMIT_NOFILE) there are ${most}`,
    );
  }
  const onFull = onceAMinute(() =>
    app.log.warn(
      'a request is being answered on every connection there may be: a new one was closed',
    ),
  );
  new ConnectionRoom({ most, onFull }).follow(app.server);
  // Each has a connection while it is answered, and those are of all tenants.
  const requests = new TenantShare({
    most: limits.maxRequests ?? Math.max(1, Math.floor(most / 4)),
    tell: (tenant, most) => ({
      message: `${most} requests of ${tenant} are being answered, and it may have no more at once`,
      hint: 'read what is answered, wait for it, or ask the operator for more (limits.maxRequests)',
    }),
  });
  app.decorate('accept', options.accept ?? []);
  app.decorate('idempotency', options.idempotency);
  app.decorate('requests', options.requests);
  app.decorate('recorded', options.recorded ?? (async () => {}));
  app.decorate('heartbeat', { firstMs: limits.heartbeatMs, everyMs: limits.heartbeatMs });
  app.decorate(
    'streams',
    new OpenStreams({
      most: limits.maxStreams,
      askEveryMs: 2 * limits.heartbeatMs,
      admit: async (request) => {
        const { contract } = request.routeOptions.config;
        const caller = await gatekeeper.authenticate(knockOf(request));
        if (contract !== undefined) requireScope(caller, contract);
      },
    }),
  );
  app.decorateRequest('caller');
  app.decorateRequest('clientAddress', '');
  app.addHook('onRoute', ({ config }) => paths.add(config?.contract));
  app.server.on('checkExpectation', (request, response) => {
    // One that nobody knows is none (RFC 9110, 10.1.1: it MAY be refused).
    app.server.emit('request', request, response);
  });
  app.addHook('onClose', () => arrivals.close());
  app.addHook('preHandler', (request, _, done) => {
    arrivals.arrived(request);
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    request.clientAddress = addresses.of(request.raw);
    latest.set(request.raw.socket, reply);
    arrivals.expect(request, reply);
    options.requests.begin();
    // Of an upgraded connection too: it is closed when its WebSocket is.
    reply.raw.once('close', () => options.requests.end());
    done();
  });
  if (options.telemetry !== undefined) traceRequests(app, options.telemetry);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ 'x-request-id': request.id, ...STRICT_HEADERS });
    request.caller = NOBODY;
    requireOneHost(request.raw, reply);
    const { contract } = request.routeOptions.config;
    if (options.isDraining()) refuseWork(reply, contract);
    // Else it would be one, to be closed at once.
    if (contract !== undefined && contract.socket !== true && isUpgrade(request)) throw noSocket();
    // Without a contract nobody has said who may: notFound answers.
    if (contract === undefined || contract.scope === 'public' || gatekeeper.isOpen(contract)) {
      done();
      return;
    }
    const admit = (caller: Caller): void => {
      requireScope(caller, contract);
      request.caller = caller;
      reply.headers(gatekeeper.count(caller, contract));
      const end = requests.take(caller.tenant);
      // Its client may have gone while it was looked who asks.
      if (reply.raw.closed) end();
      else reply.raw.once('close', end);
    };
    const asked = gatekeeper.authenticate(knockOf(request));
    // Most are known already: nothing is waited for.
    if (asked instanceof Promise) asked.then(admit).then(() => done(), done);
    else {
      admit(asked);
      done();
    }
  });
  app.setErrorHandler((error, _, reply) => replyProblem(reply, error));
  app.setNotFoundHandler((request, reply) => replyProblem(reply, paths.refuse(request)));
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // Whatever looks at it goes down into it, and the stack has an end.
    if (isTooDeep(body as string)) done(tooDeep());
    else parseJson(request, body as string, done);
  });
  // A stream, whatever it is; only routes that say so take it.
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload));
  return app;
}

/**
 * Whether what the connection sent now is no part of the request that is being answered: what is wrong with the body of
 * that one can still be its answer.
 */
function isAnswering(reply: FastifyReply | undefined): boolean {
  if (reply === undefined) return false;
  const { complete } = reply.request.raw;
  return complete ? !reply.raw.writableFinished : reply.raw.headersSent;
}

/** Whoever looks is still answered; the connection ends with the answer. */
function refuseWork(reply: FastifyReply, contract: Route | undefined): void {
  reply.header('connection', 'close');
  if (contract?.method === 'GET' && contract.socket !== true) return;
  throw new CaissonError('DRAINING', { layer: 'server', hint: 'ask again when it is back' });
}

function knockOf({ headers, raw, clientAddress }: FastifyRequest) {
  return { headers, rawHeaders: raw.rawHeaders, address: clientAddress };
}

/** Whoever comes too much comes often. */
function onceAMinute(tell: () => void): () => void {
  let toldMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (nowMs - toldMs < 60_000) return;
    toldMs = nowMs;
    tell();
  };
}

/** As Node has it; it tells no type. */
function isUpgrade({ raw }: FastifyRequest): boolean {
  return (raw as { readonly upgrade?: boolean | null }).upgrade === true;
}

function noSocket(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: 'this is no WebSocket',
    hint: 'ask without an upgrade',
  });
}
