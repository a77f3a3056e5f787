/**
 * Node's two HTTP servers, fed with streams that were accepted elsewhere. They parse strictly: what is no HTTP, or can
 * be read in two ways (RFC 9112 section 11.2), never becomes a request.
 */
import {
  createServer as createHttp1,
  type Server as Http1Server,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import {
  constants,
  createServer as createHttp2,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { faultText } from '../fault-bounds.ts';
import type { GuestRequest } from './answer-guest.ts';
import { forward, forwardUpgrade, type Route, refuseConnect } from './forward.ts';
import { PROBLEM_TYPE, problemBody } from './problem.ts';
import { UnderWay } from './under-way.ts';

const MAXIMUM_HEADER_BYTES = 65_536;
/** That wait for their answers on one connection of HTTP/1.1. Few programs send ahead at all; apt sends ten. */
const AHEAD_MAX = 64;
/** … and on all connections of one sandbox: each costs memory of a process that serves other sandboxes, too. */
const WAITING_MAX = 2048;
/** … and in their headers: few bytes of HTTP/2 stand for 64 KiB of them. */
const WAITING_MAX_BYTES = 16 * 1024 * 1024;

export class RequestServers {
  readonly #routes = new WeakMap<object, Route>();
  readonly #http1: Http1Server = this.#createHttp1();
  readonly #http2: Http2Server = this.#createHttp2();
  /** The route of the stream that is being handed to HTTP/2's server in this very call. */
  #handing: Route | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  readonly #underWay = new UnderWay();
  readonly #ahead = new WeakMap<Duplex, number>();

  /** After a change of the policy: what is no longer allowed ends. */
  recheck(): void {
    this.#underWay.recheck();
  }

  serveHttp1(stream: Duplex, unwatched: Omit<Route, 'underWay'>): void {
    const route = { ...unwatched, underWay: this.#underWay };
    this.#routes.set(stream, route);
    this.#http1.emit('connection', stream);
    // Whoever put the first bytes back paused it.
    stream.resume();
  }

  serveHttp2(stream: Duplex, route: Omit<Route, 'underWay'>): void {
    this.#handing = { ...route, underWay: this.#underWay };
    this.#http2.emit('connection', stream);
    this.#handing = undefined;
  }

  #createHttp1(): Http1Server {
    const server = createHttp1({
      maxHeaderSize: MAXIMUM_HEADER_BYTES,
      insecureHTTPParser: false,
      // A missing Host is refused by us, so that it is recorded.
      requireHostHeader: false,
      requestTimeout: 0,
      // h2c and the like would carry requests past the checks: what asks for them is taken as an ordinary request.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    });
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      const route = this.#routes.get(socket);
      if (route === undefined) request.destroy();
      else if (socket.destroyed) return;
      else if (this.#mayWait(route, this.#ahead.get(socket))) {
        const ended = this.#count(request, socket);
        settle(route, forward(route, request, response).finally(ended), socket);
      } else socket.destroy();
    };
    server.on('request', handle);
    server.on('checkContinue', handle);
    server.on('checkExpectation', handle);
    server.on('upgrade', (request, socket, head) => {
      const route = this.#routes.get(socket);
      if (route === undefined) socket.destroy();
      else settle(route, forwardUpgrade(route, request, socket, head), socket);
    });
    server.on('connect', (request, socket) => {
      const route = this.#routes.get(socket);
      if (route === undefined) socket.destroy();
      else settle(route, refuseConnect(route, request, socket), socket);
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const route = this.#routes.get(socket);
      if (route && error.code?.startsWith('HPE_')) refuseBytes(route, error, socket);
      else socket.destroy();
    });
    return server;
  }

  /** Node reads on while nothing has been answered, and what it has read becomes requests. */
  #mayWait(route: Route, ahead = 0): boolean {
    const reason =
      ahead >= AHEAD_MAX
        ? `${AHEAD_MAX} requests on one connection wait for their answers`
        : this.#waiting >= WAITING_MAX
          ? `${WAITING_MAX} requests of this sandbox wait for their answers`
          : this.#waitingBytes >= WAITING_MAX_BYTES
            ? `the headers of requests that wait for their answers hold ${WAITING_MAX_BYTES} bytes`
            : undefined;
    if (reason === undefined) return true;
    const { name, port } = route.connection;
    const target = `${name}:${port}/tcp`;
    route.report({ target, allowed: false, rule: 'network.connections', reason, details: {} });
    return false;
  }

  /** @returns what is called, once, when nothing of it is left */
  #count({ rawHeaders }: GuestRequest, connection?: Duplex): () => void {
    const bytes = rawHeaders.reduce((sum, { length }) => sum + length, 0);
    const add = (sign: 1 | -1): void => {
      this.#waiting += sign;
      this.#waitingBytes += sign * bytes;
      if (connection !== undefined) {
        this.#ahead.set(connection, (this.#ahead.get(connection) ?? 0) + sign);
      }
    };
    add(1);
    return () => add(-1);
  }

  #createHttp2(): Http2Server {
    const server = createHttp2({ settings: { maxConcurrentStreams: 128 } });
    // The session's own `socket` is a proxy, so that routes are kept by session.
    const routes = new WeakMap<ServerHttp2Session, Route>();
    server.on('session', (session) => {
      if (this.#handing !== undefined) routes.set(session, this.#handing);
    });
    const handle = (request: Http2ServerRequest, response: Http2ServerResponse) => {
      const { session } = request.stream;
      const route = session && routes.get(session as ServerHttp2Session);
      const { stream } = request;
      if (route === undefined) stream.close();
      else if (stream.destroyed) return;
      else if (this.#mayWait(route)) {
        const ended = this.#count(request);
        // What was refused stays, too, with a guest that does not take the answer.
        const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
        const forwarded = forward(route, request, response);
        void Promise.allSettled([forwarded, closed]).then(ended);
        settle(route, forwarded, stream);
      } else stream.close(constants.NGHTTP2_REFUSED_STREAM);
    };
    server.on('request', handle);
    server.on('checkContinue', handle);
    // Errors of a session end it, and are of its own making.
    server.on('sessionError', () => {});
    return server;
  }
}

/** A fault of ours (in a rule, in a report) ends the one request that met it, and never lets it through. */
function settle({ connection, report }: Route, forwarded: Promise<void>, stream: Duplex): void {
  forwarded.catch((error: Error) => {
    // Without the error, which nobody may listen for.
    stream.destroy();
    const { name, port } = connection;
    const reason = `${name}:${port}: a request could not be carried out: ${faultText(error)}`;
    const details = { host: name, port };
    report({ target: `${name}:${port}/tcp`, allowed: false, rule: 'network', reason, details });
  });
}

/** What came is no request, or one that can be read in two ways. */
function refuseBytes(
  { connection, report }: Route,
  error: NodeJS.ErrnoException,
  socket: Duplex,
): void {
  const { name, port, speaks } = connection;
  const target = `${name}:${port}/tcp`;
  const rule = 'network.intercept';
  const reason = `what the program sent to ${name}:${port}${speaks === 'tls' ? ' inside TLS' : ''} is no strict HTTP/1.1 (${error.code}: ${error.message}), and connections to this name are read`;
  report({ target, allowed: false, rule, reason, details: { host: name, port, code: error.code } });
  const hint = 'speak HTTP, or ask for the name without network.intercept';
  const body = problemBody({ status: 400, rule, reason, hint });
  const header = `HTTP/1.1 400 Bad Request\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  if (socket.writable) socket.end(header + body);
  else socket.destroy();
}
