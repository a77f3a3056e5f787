/**
 * Sessions over streamable HTTP, at `/mcp`. Nobody else's session can be seen, not even that it is there.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { CaissonError, type ErrorCode, errorCodes } from '../../core/error.ts';
import type { McpSetup } from '../mcp-setup.ts';
import { errorOf } from '../render-error.ts';
import type { BearerTokens } from './bearer-tokens.ts';
import { BodyRoom } from './body-room.ts';
import { HttpSession } from './http-session.ts';
import { checkNames, hostsOf, type ListenAddress, notListening } from './listen-address.ts';
import { readBody } from './read-body.ts';
import { type GuardSetup, only, subjectOf } from './request-guard.ts';

export const ENDPOINT = '/mcp';

export interface HttpSetup {
  readonly setup: McpSetup;
  readonly address: ListenAddress;
  /** Must be there for any address but loopback. */
  readonly tokens?: BearerTokens;
  /** PEM: the certificate with those above it, and its key. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** Beyond loopback without TLS: a proxy in front of it speaks it. */
  readonly insecure?: boolean;
  /** Names beside its address that a Host header may say. */
  readonly hosts?: readonly string[];
  readonly origins?: readonly string[];
  /** Of all subjects together; default 32. With tokens, one subject may have half of them. */
  readonly sessions?: number;
  /** So long without a request or an open stream; default that of sandboxes. */
  readonly idleMs?: number;
  /** In which a request must have come whole; default 60,000. */
  readonly requestMs?: number;
}

const SESSIONS = 32;
const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const CONNECTIONS = 512;
const HEADER_BYTES = 16 * 1024;
/** How often Node looks whether one of these times is over. */
const LOOK_EVERY_MS = 2_000;

export class HttpServer implements AsyncDisposable {
  readonly #setup: HttpSetup;
  readonly #server: Server;
  readonly #sessions = new Map<string, HttpSession>();
  readonly #room = new BodyRoom();
  #guard: GuardSetup | undefined;
  #closing: Promise<void> | undefined;

  private constructor(setup: HttpSetup) {
    this.#setup = setup;
    const { tls, requestMs = REQUEST_MS } = setup;
    const bounds = {
      headersTimeout: Math.min(HEADERS_MS, requestMs),
      requestTimeout: requestMs,
      connectionsCheckingInterval: LOOK_EVERY_MS,
      maxHeaderSize: HEADER_BYTES,
      requireHostHeader: true,
    };
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response).catch((error) => refuse(request, response, error));
    };
    this.#server =
      tls === undefined
        ? createServer(bounds, answer)
        : createTlsServer(
            { ...bounds, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: HEADERS_MS },
            answer,
          );
    this.#server.maxConnections = CONNECTIONS;
  }

  /** @throws CONFIG_INVALID on an address that others reach, without tokens or TLS; CONFLICT where another process listens; REQUEST_INVALID where it cannot listen, for names that nobody calls it by */
  static async listen(setup: HttpSetup): Promise<HttpServer> {
    requireGuarded(setup);
    checkNames(setup);
    const server = made(setup, () => new HttpServer(setup));
    await server.#listen();
    return server;
  }

  /** Where clients reach it. */
  get url(): string {
    const { host } = this.#setup.address;
    return `http${this.#setup.tls === undefined ? '' : 's'}://${host.includes(':') ? `[${host}]` : host}:${this.#port}${ENDPOINT}`;
  }

  /** Ends every session; settles when nothing is left. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #listen(): Promise<void> {
    const { address, tokens, tls, hosts = [], origins = [] } = this.#setup;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(address.port, address.host, resolve);
    try {
      await promise;
    } catch (cause) {
      throw notListening(address, cause as NodeJS.ErrnoException);
    }
    this.#guard = {
      hosts: hostsOf(address, this.#port, hosts, tls !== undefined),
      origins: new Set(origins),
      ...(tokens === undefined ? {} : { tokens }),
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const subject = subjectOf(request, this.#guard as GuardSetup);
    if (request.url !== ENDPOINT) throw problem('NOT_FOUND', `there is ${ENDPOINT} alone`);
    const { method } = request;
    if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') {
      response.setHeader('Allow', 'GET, POST, DELETE');
      throw problem('METHOD_NOT_ALLOWED', 'GET, POST and DELETE are what it takes');
    }
    const id = only(request, 'mcp-session-id');
    const body = method === 'POST' ? await this.#read(request, subject) : undefined;
    if (id !== undefined) {
      const session = this.#sessions.get(id);
      if (session?.subject !== subject) throw problem('NOT_FOUND', 'there is no such session');
      return await session.handle(request, response, body);
    }
    if (!isInitializeRequest(body)) {
      throw problem('REQUEST_INVALID', 'a session begins with an initialize request');
    }
    await this.#begin(subject, request, response, body);
  }

  async #read(request: IncomingMessage, subject: string): Promise<unknown> {
    using share = this.#room.open(subject);
    return await readBody(request, share);
  }

  async #begin(
    subject: string,
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    if (this.#closing !== undefined) throw problem('DRAINING', 'the server is about to stop');
    const { setup, idleMs = setup.limits.idleMs } = this.#setup;
    await this.#makeRoom(subject);
    const taken = new Set(this.#own(subject).map((each) => each.place));
    let place = 0;
    while (taken.has(place)) place++;
    const session = new HttpSession({
      setup,
      subject,
      place,
      idleMs,
      onEnd: (ended) => this.#sessions.delete(ended.id),
    });
    this.#sessions.set(session.id, session);
    await session.start();
    await session.handle(request, response, body);
  }

  #own(subject: string): HttpSession[] {
    return [...this.#sessions.values()].filter((each) => each.subject === subject);
  }

  /**
   * Clients that crash never end their sessions: the one of this subject that rested longest with nothing in it goes.
   *
   * @throws RATE_LIMITED
   */
  async #makeRoom(subject: string): Promise<void> {
    const { tokens, sessions: most = SESSIONS } = this.#setup;
    for (;;) {
      const own = this.#own(subject);
      const isFull = this.#sessions.size >= most;
      if (!isFull && (tokens === undefined || own.length < most / 2)) return;
      const [oldest] = own
        .filter((session) => session.isEmpty)
        .toSorted((a, b) => a.restsSince - b.restsSince);
      if (oldest === undefined) {
        const whose = isFull ? 'of everybody' : `of ${subject}`;
        throw problem('RATE_LIMITED', `there are as many sessions ${whose} as there may be`);
      }
      await oldest.close('another one took its place');
    }
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const sessions = [...this.#sessions.values()];
    await Promise.allSettled(sessions.map((session) => session.close('the server stops')));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** Whoever is reached from elsewhere lets in who has a token alone, and over TLS. @throws CONFIG_INVALID */
function requireGuarded({ address, tokens, tls, insecure = false }: HttpSetup): void {
  if (address.isLoopback) return;
  const from = `${address.host} is reached from elsewhere`;
  if (tokens === undefined) {
    throw invalid(
      `${from}, and there is no token`,
      'write one into a file (--token-file FILE) or into CAISSON_MCP_TOKEN, or listen on 127.0.0.1',
    );
  }
  if (tls === undefined && !insecure) {
    throw invalid(
      `${from}, and what is said there, tokens too, could be read on its way`,
      'give --tls-cert and --tls-key, or --insecure where a proxy in front of it speaks TLS',
    );
  }
}

/** @throws CONFIG_INVALID for a certificate, or a key, that is none */
function made(setup: HttpSetup, make: () => HttpServer): HttpServer {
  try {
    return make();
  } catch (cause) {
    if (setup.tls === undefined) throw cause;
    const { message } = cause as Error;
    throw invalid(
      `TLS cannot be spoken with them: ${message}`,
      'give PEM, and the key of the certificate',
    );
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('CONFIG_INVALID', { layer: 'mcp', message, hint });
}

function problem(code: ErrorCode, message: string): CaissonError {
  return new CaissonError(code, { layer: 'mcp', message });
}

/** As JSON-RPC says it, with the status of the code. Node throws away what is not read, so that a client sees the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  const error = errorOf(thrown);
  if (error.code === 'INTERNAL' && !request.destroyed) {
    process.stderr.write(`caisson: ${String((error.cause as Error)?.stack ?? error.cause)}\n`);
  }
  if (response.headersSent) return void response.destroy();
  const { status } = errorCodes[error.code];
  const data = { code: error.code, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer realm="caisson"' } : {}),
  });
  const answer = {
    jsonrpc: '2.0',
    id: null,
    error: { code: -32_000, message: error.message, data },
  };
  response.end(JSON.stringify(answer));
}
