/**
 * The way to the real server, for one connection of the guest: verified TLS (or clear text where the guest spoke clear
 * text), HTTP/1.1 or HTTP/2. Nothing is shared between connections of guests.
 */
import { type ClientRequest, type IncomingMessage, request as request1 } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connect2 } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ConnectionAgent } from './connection-agent.ts';
import { type Fields, fieldsOf, toFlat, toHttp2, withOneCookie } from './headers.ts';
import type { GuestConnection } from './interceptor.ts';
import { fillSealed, type SealedHead } from './sealed-head.ts';
import { sendBody } from './send-body.ts';
import { verifyServer } from './verify-server.ts';

/** A request that passed the checks; marks are in the places of secrets. */
export interface Passed {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly authority: string;
  /** End to end, without Host and framing. */
  readonly fields: Fields;
  /** Puts values in the places of the marks, in HTTP/1.1 alone: HTTP/2 writes its header with strings of its own. */
  readonly sealed?: SealedHead;
  /** How the body is framed: its length, unknown, or none. */
  readonly length: number | 'unknown' | 'none';
  readonly body: Readable;
  readonly trailers: () => Fields;
  /** The guest waits for `100 Continue`; called when the server said so. */
  readonly onContinue?: () => void;
  /** Value of `Upgrade`, for a WebSocket. */
  readonly upgrade?: string;
  /** Whether the server is told that trailers are understood (`TE: trailers`). */
  readonly takesTrailers: boolean;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly fields: Fields;
  readonly body: Readable;
  readonly trailers: () => Fields;
  /** After `101 Switching Protocols`. */
  readonly switched?: { readonly stream: Duplex; readonly head: Buffer };
}

/** HTTP/2 guests send many requests at once; a server that speaks HTTP/1.1 gets this many connections. */
const MAXIMUM_CONNECTIONS = 16;

export class Upstream {
  readonly #connection: GuestConnection;
  readonly #roots: readonly string[];
  readonly #offersHttp2: boolean;
  readonly #agent: ConnectionAgent;
  readonly #open = new Set<Socket>();
  /** Of requests that have not been answered. */
  readonly #sealed = new Map<ClientRequest, SealedHead>();
  #session: Promise<ClientHttp2Session | undefined> | undefined;
  /** A socket that turned out to speak HTTP/1.1 where HTTP/2 was offered. */
  #spare: Socket | undefined;
  #closed = false;

  /** `http2`: whether the guest speaks it, so that the server may. */
  constructor(connection: GuestConnection, roots: readonly string[], http2: boolean) {
    this.#connection = connection;
    this.#roots = roots;
    this.#offersHttp2 = http2;
    this.#agent = new ConnectionAgent(() => this.#socket(), http2 ? MAXIMUM_CONNECTIONS : 1);
  }

  /** Rejects with what went wrong on the way (a certificate, a reset); the guest then gets 502. */
  async send(passed: Passed): Promise<Answer> {
    if (this.#offersHttp2 && passed.upgrade === undefined && passed.sealed === undefined) {
      const session = await this.#http2();
      if (session !== undefined) return sendOverHttp2(session, passed);
    }
    try {
      return await this.#sendOverHttp1(passed);
    } catch (error) {
      // The server closed an idle connection just then: what had no body may be sent again (RFC 9110 section 9.2.2).
      if (!(error instanceof StaleConnection) || passed.signal.aborted) throw error;
      return this.#sendOverHttp1(passed);
    }
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
    this.#spare?.destroy();
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }

  /** The session, made at the first call and again after it ended; undefined when the server speaks HTTP/1.1. */
  #http2(): Promise<ClientHttp2Session | undefined> {
    this.#session ??= this.#openSession();
    const made = this.#session;
    return made.then(
      (session) => {
        if (session === undefined || !(session.closed || session.destroyed)) return session;
        if (this.#session === made) this.#session = this.#openSession();
        return this.#session;
      },
      (error) => {
        if (this.#session === made) this.#session = undefined;
        throw error;
      },
    );
  }

  async #openSession(): Promise<ClientHttp2Session | undefined> {
    const socket = await this.#dial(['h2', 'http/1.1']);
    if ((socket as TLSSocket).alpnProtocol !== 'h2') {
      this.#spare = socket;
      return undefined;
    }
    const { name, port } = this.#connection;
    const session = connect2(`https://${name}:${port}`, {
      createConnection: () => socket,
      settings: { enablePush: false },
    });
    // Each stream reports its own error; without a listener the session's would end the process.
    session.on('error', () => {});
    session.on('goaway', () => session.close());
    return session;
  }

  async #socket(): Promise<Socket> {
    const spare = this.#spare;
    this.#spare = undefined;
    if (spare !== undefined && !spare.destroyed) return spare;
    return this.#dial(['http/1.1']);
  }

  async #dial(protocols: readonly string[]): Promise<Socket> {
    const { name, speaks } = this.#connection;
    const plain = await this.#connection.dial();
    plain.setNoDelay(true);
    const socket =
      speaks === 'http' ? plain : await verifyServer(plain, name, this.#roots, protocols);
    if (this.#closed) {
      socket.destroy();
      throw new Error('the guest closed its connection');
    }
    // Marks are made for verified names alone.
    if (speaks === 'tls') fillSealed(socket, (text) => this.#sealedIn(text));
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    return socket;
  }

  #sealedIn(text: string): SealedHead | undefined {
    for (const sealed of this.#sealed.values()) if (sealed.isIn(text)) return sealed;
    return undefined;
  }

  #sendOverHttp1(passed: Passed): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const outgoing = request1({
      agent: this.#agent,
      method: passed.method,
      path: passed.target,
      headers: toFlat(http1Fields(passed)),
      setHost: false,
      signal: passed.signal,
    });
    outgoing.on('error', (error) => {
      const reused = outgoing.reusedSocket && passed.length === 'none';
      reject(reused && isReset(error) ? new StaleConnection(error) : error);
    });
    if (passed.sealed !== undefined) this.#sealed.set(outgoing, passed.sealed);
    outgoing.once('close', () => this.#sealed.delete(outgoing));
    outgoing.on('continue', () => passed.onContinue?.());
    outgoing.on('response', (incoming) => resolve(answerOf(incoming)));
    outgoing.on('upgrade', (incoming, stream, head) => {
      if (passed.upgrade === undefined) {
        stream.destroy();
        reject(new Error('the server switched to another protocol without being asked'));
        return;
      }
      resolve({ ...answerOf(incoming), switched: { stream, head } });
    });
    sendBody(passed, outgoing, () => {
      const trailers = passed.trailers();
      // In an event, where what is thrown would end the process: a field that Node does not take resets the request.
      try {
        if (trailers.length > 0) outgoing.addTrailers(trailers as [string, string][]);
        outgoing.end();
      } catch (error) {
        outgoing.destroy(error as Error);
      }
    });
    return promise;
  }
}

class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

function http1Fields({
  authority,
  fields,
  length,
  method,
  upgrade,
  takesTrailers,
  onContinue,
}: Passed): Fields {
  // POST and its like without a body say so (RFC 9110 section 8.6); Node would frame an empty body in chunks.
  const empty = /^(POST|PUT|PATCH)$/.test(method) ? ([['Content-Length', '0']] as const) : [];
  const framing =
    length === 'none'
      ? empty
      : length === 'unknown'
        ? ([['Transfer-Encoding', 'chunked']] as const)
        : ([['Content-Length', String(length)]] as const);
  return [
    ['Host', authority],
    ...withOneCookie(fields),
    ...framing,
    ...(takesTrailers ? ([['TE', 'trailers']] as const) : []),
    ...(onContinue ? ([['Expect', '100-continue']] as const) : []),
    ...(upgrade ? ([['Upgrade', upgrade]] as const) : []),
    ['Connection', upgrade ? 'Upgrade' : takesTrailers ? 'keep-alive, TE' : 'keep-alive'],
  ];
}

function sendOverHttp2(session: ClientHttp2Session, passed: Passed): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { length, onContinue, takesTrailers } = passed;
  const stream: ClientHttp2Stream = session.request(
    {
      ...toHttp2(passed.fields),
      ...(typeof length === 'number' ? { 'content-length': length } : {}),
      ...(takesTrailers ? { te: 'trailers' } : {}),
      ...(onContinue ? { expect: '100-continue' } : {}),
      ':method': passed.method,
      ':path': passed.target,
      ':scheme': 'https',
      ':authority': passed.authority,
    },
    { endStream: length === 'none', waitForTrailers: length !== 'none', signal: passed.signal },
  );
  let trailers: Fields = [];
  stream.on('error', reject);
  stream.on('close', () => reject(new Error(`the server reset the request (${stream.rstCode})`)));
  stream.on('continue', () => onContinue?.());
  stream.on('trailers', (_headers, _flags, raw: string[] = []) => {
    trailers = fieldsOf(raw);
  });
  stream.on('response', (headers, _flags, raw: string[] = []) => {
    const status = headers[':status'] ?? 502;
    resolve({ status, reason: '', fields: fieldsOf(raw), body: stream, trailers: () => trailers });
  });
  if (length !== 'none') {
    stream.on('wantTrailers', () => {
      try {
        stream.sendTrailers(toHttp2(passed.trailers()));
      } catch (error) {
        stream.destroy(error as Error);
      }
    });
    sendBody(passed, stream, () => stream.end());
  }
  return promise;
}

function answerOf(incoming: IncomingMessage): Answer {
  return {
    status: incoming.statusCode ?? 502,
    reason: incoming.statusMessage ?? '',
    fields: fieldsOf(incoming.rawHeaders),
    body: incoming,
    trailers: () => fieldsOf(incoming.rawTrailers),
  };
}

function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ECONNRESET' || error.code === 'EPIPE';
}
