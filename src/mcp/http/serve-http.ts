/**
 * Sessions over streamable HTTP, at `/mcp`. Nobody else's session can be seen, not even that it is there.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { CaissonError, type ErrorCode, errorCodes } from '../../core/error.ts';
import type { McpSetup } from '../mcp-setup.ts';
import { errorOf } from '../render-error.ts';
import type { BearerTokens } from './bearer-tokens.ts';
import { HttpSession } from './http-session.ts';
import { hostsOf, type ListenAddress } from './listen-address.ts';
import { readBody } from './read-body.ts';
import { type GuardSetup, only, subjectOf } from './request-guard.ts';

export const ENDPOINT = '/mcp';

export interface HttpSetup {
  readonly setup: McpSetup;
  readonly address: ListenAddress;
  /** Must be there for any address but loopback. */
  readonly tokens?: BearerTokens;
  /** Names beside its address that a Host header may say. */
  readonly hosts?: readonly string[];
  readonly origins?: readonly string[];
  /** Of all subjects together; default 32. With tokens, one subject may have half of them. */
  readonly sessions?: number;
  /** So long without a request or an open stream; default that of sandboxes. */
  readonly idleMs?: number;
}

const SESSIONS = 32;
const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const CONNECTIONS = 512;
const HEADER_BYTES = 16 * 1024;

export class HttpServer implements AsyncDisposable {
  readonly #setup: HttpSetup;
  readonly #server: Server;
  readonly #sessions = new Map<string, HttpSession>();
  #guard: GuardSetup | undefined;
  #closing: Promise<void> | undefined;

  private constructor(setup: HttpSetup) {
    this.#setup = setup;
    this.#server = createServer(
      {
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        maxHeaderSize: HEADER_BYTES,
        requireHostHeader: true,
      },
      (request, response) => {
        this.#handle(request, response).catch((error) => refuse(request, response, error));
      },
    );
    this.#server.maxConnections = CONNECTIONS;
  }

  /** @throws CONFIG_INVALID without tokens on an address that others reach, REQUEST_INVALID where it cannot listen */
  static async listen(setup: HttpSetup): Promise<HttpServer> {
    if (!setup.address.isLoopback && setup.tokens === undefined) {
      throw new CaissonError('CONFIG_INVALID', {
        layer: 'mcp',
        message: `${setup.address.host} is reached from elsewhere, and there is no token`,
        hint: 'write one into a file (--token-file FILE) or into CAISSON_MCP_TOKEN, or listen on 127.0.0.1',
      });
    }
    const server = new HttpServer(setup);
    await server.#listen();
    return server;
  }

  /** Where clients reach it. */
  get url(): string {
    const { host } = this.#setup.address;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}${ENDPOINT}`;
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
    const { address, tokens, hosts = [], origins = [] } = this.#setup;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(address.port, address.host, resolve);
    try {
      await promise;
    } catch (cause) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'mcp',
        message: `it cannot listen on ${address.host}:${address.port}: ${(cause as Error).message}`,
        hint: 'take another port, or 0 for one that is free',
        cause,
      });
    }
    this.#guard = {
      hosts: hostsOf(address, this.#port, hosts),
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
    const body = method === 'POST' ? await readBody(request) : undefined;
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

  async #begin(
    subject: string,
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    if (this.#closing !== undefined) throw problem('DRAINING', 'the server is about to stop');
    const { setup, tokens, sessions: most = SESSIONS, idleMs = setup.limits.idleMs } = this.#setup;
    const own = [...this.#sessions.values()].filter((each) => each.subject === subject);
    if (this.#sessions.size >= most || (tokens !== undefined && own.length >= most / 2)) {
      const whose = this.#sessions.size >= most ? 'of everybody' : `of ${subject}`;
      throw problem('RATE_LIMITED', `there are as many sessions ${whose} as there may be`);
    }
    const taken = new Set(own.map((each) => each.place));
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

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const sessions = [...this.#sessions.values()];
    await Promise.allSettled(sessions.map((session) => session.close('the server stops')));
    this.#server.closeAllConnections();
    await closed;
  }
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
