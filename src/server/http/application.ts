/**
 * What holds for every request: who asks, how large it may be, what it is called in the log, what happens when its
 * client goes away, and what an error looks like.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { ServerOptions } from 'node:https';
import { fastifyWebsocket } from '@fastify/websocket';
import {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
} from 'fastify';
import type { Route } from '../../api/route.ts';
import { CaissonError } from '../../core/error.ts';
import { type Caller, type Gatekeeper, NOBODY } from './gatekeeper.ts';
import { replyProblem } from './problem-reply.ts';
import { RoutePaths } from './route-paths.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route promises. */
    contract?: Route;
  }
  interface FastifyRequest {
    caller: Caller;
  }
}

export interface ApplicationOptions {
  readonly gatekeeper: Gatekeeper;
  /** Bytes of a JSON body; default 32 MiB. */
  readonly bodyBytes?: number;
  /** For a request to have come whole, milliseconds; default 300,000. */
  readonly requestTimeoutMs?: number;
  /** Bytes of one message of a WebSocket; default 1 MiB. */
  readonly messageBytes?: number;
  readonly tls?: Pick<ServerOptions, 'cert' | 'key' | 'ca' | 'minVersion'>;
  /** Of the log, on stderr: `silent`, `error`, `warn`, `info`, `debug`; default `warn`. */
  readonly logLevel?: string;
}

const MiB = 2 ** 20;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 72_000;

/** Told to browsers and caches: nothing here is a page, and nothing may be kept. */
const STRICT_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

export async function openApplication(options: ApplicationOptions): Promise<FastifyInstance> {
  const { gatekeeper, tls } = options;
  const settings: FastifyHttpOptions<Server> = {
    bodyLimit: options.bodyBytes ?? 32 * MiB,
    requestTimeout: options.requestTimeoutMs ?? 300_000,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, maxHeaderSize: 16 * 1024 },
    // Ids are ours: what a client calls its request is nobody's business in our log.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
    disableRequestLogging: (options.logLevel ?? 'warn') !== 'info',
    logger: {
      level: options.logLevel ?? 'warn',
      redact: ['req.headers.authorization', 'req.headers.cookie'],
      // fd 2: what the service prints on stdout is for whoever started it.
      stream: process.stderr,
    },
    frameworkErrors: (error, _, reply) => replyProblem(reply, error),
  };
  const app =
    tls === undefined
      ? fastify(settings)
      : (fastify({
          ...settings,
          https: { minVersion: 'TLSv1.2', ...tls },
        } as FastifyHttpOptions<Server>) as FastifyInstance);

  const paths = new RoutePaths();
  app.decorateRequest('caller', NOBODY as never);
  app.addHook('onRoute', ({ config }) => paths.add(config?.contract));
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).headers(STRICT_HEADERS);
    const { contract } = request.routeOptions.config;
    // Without a contract nobody has said who may: notFound answers.
    if (contract === undefined || contract.scope === 'public' || gatekeeper.isOpen(contract))
      return;
    const asked = gatekeeper.authenticate(knockOf(request));
    const caller = asked instanceof Promise ? await asked : asked;
    requireScope(caller, contract);
    request.caller = caller;
    reply.headers(gatekeeper.count(caller, contract));
  });
  app.setErrorHandler((error, _, reply) => replyProblem(reply, error));
  app.setNotFoundHandler((request, reply) => replyProblem(reply, paths.refuse(request)));
  // A stream, whatever it is; only routes that say so take it.
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload));
  await app.register(fastifyWebsocket, {
    options: { maxPayload: options.messageBytes ?? MiB, perMessageDeflate: false },
    errorHandler: (error, socket, request) => {
      request.log.error({ err: error }, 'a WebSocket failed');
      socket.close(1011);
    },
  });
  return app;
}

function knockOf({ headers, raw }: FastifyRequest) {
  return { headers, rawHeaders: raw.rawHeaders, address: raw.socket.remoteAddress ?? '' };
}

function requireScope({ scopes, subject }: Caller, { scope, id }: Route): void {
  if (scope === 'public' || scopes.has(scope)) return;
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `${subject} may not ${id}`,
    hint: `it needs the scope ${scope}`,
    details: { scope },
  });
}
