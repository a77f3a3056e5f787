/**
 * The part of the egress proxy that reads requests: it opens the guest's TLS with a certificate of the sandbox's own
 * authority, holds every request against the rules, and speaks verified TLS to the real server.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Authority } from './authority.ts';
import type { Route } from './forward.ts';
import { GoneGuests } from './gone-guests.ts';
import { RequestServers } from './request-servers.ts';
import { hostRoots } from './roots.ts';
import type { Secrets } from './secrets.ts';
import { Upstream } from './upstream.ts';

/** A connection of the guest that is allowed by name, and that is to be read. */
export interface GuestConnection {
  /**
   * The accepted stream with the bytes already read put back (`unshift`). A `net.Socket` is fastest. From
   * {@link Interceptor.accept} on it belongs to the interceptor, which closes it.
   */
  readonly stream: Duplex;
  /** `tls`: it begins with a ClientHello that names {@link name}; `http`: with a request in clear text. */
  readonly speaks: 'tls' | 'http';
  /** What SNI or the first Host header named: lower case, no dot at the end, no port. */
  readonly name: string;
  /** The port that the guest connected to. */
  readonly port: number;
  /** A new TCP connection to the address that was resolved and checked for {@link name}. Called once or more. */
  readonly dial: () => Promise<Socket>;
}

/** What a rule is held against. */
export interface RequestFacts {
  /** As sent: methods are case-sensitive. */
  readonly method: string;
  /** Begins with `/`, decoded and normalised, without the query; or `*` (OPTIONS). */
  readonly path: string;
  readonly name: string;
  readonly port: number;
}

export interface RequestDecision {
  readonly allowed: boolean;
  /** Clause of the policy, such as `network.allow`. */
  readonly rule: string;
  /** One line for a person or a model. */
  readonly reason: string;
}

/** What was decided of one request, or of a connection that carried none. */
export interface InterceptDecision extends RequestDecision {
  /** `GET https://example.org/path` (without the query), or `example.org:443/tcp`. */
  readonly target: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface InterceptorOptions {
  readonly authority: Authority;
  readonly secrets: Secrets;
  /** Whether rules on methods and paths hold for a connection. Then paths are normalised; otherwise sent on as they are. */
  readonly restricted: (connection: GuestConnection) => boolean;
  /** Pure; asked for every reading that a path may have. One name's addresses may be under different rules. */
  readonly decideRequest: (facts: RequestFacts, connection: GuestConnection) => RequestDecision;
  /** Told of every request, allowed or not. */
  readonly report: (decision: InterceptDecision) => void;
  /** PEM certificates that servers are verified against. Default: the machine's, else those that come with Node. */
  readonly roots?: readonly string[];
  /** How often it is looked for guests that have gone unnoticed; milliseconds. Default 30,000. */
  readonly lookEveryMs?: number;
}

const HANDSHAKE_MS = 10_000;

/** One for each sandbox. */
export class Interceptor {
  readonly #options: InterceptorOptions;
  readonly #roots: readonly string[];
  readonly #servers = new RequestServers();
  readonly #open = new Set<Duplex>();
  readonly #gone: GoneGuests;
  #closed = false;

  constructor(options: InterceptorOptions) {
    this.#options = options;
    this.#roots = options.roots ?? hostRoots();
    this.#gone = new GoneGuests(options.lookEveryMs);
  }

  /** Takes a connection over; resolves when it is closed. Never rejects. */
  async accept(connection: GuestConnection): Promise<void> {
    const { stream } = connection;
    if (this.#closed) {
      stream.destroy();
      return;
    }
    const { promise: closed, resolve: ended } = Promise.withResolvers<void>();
    stream.once('close', ended);
    stream.on('error', () => stream.destroy());
    this.#open.add(stream);
    // Header and body are written apart; waiting for the first one's acknowledgement costs 40 ms.
    if (stream instanceof Socket) stream.setNoDelay(true);
    try {
      if (connection.speaks === 'http') this.#hand(connection, stream, false);
      else await this.#openTls(connection, ended);
    } catch (error) {
      this.#refuseConnection(connection, reasonOf(error as NodeJS.ErrnoException));
      stream.destroy();
    }
    await closed;
    this.#open.delete(stream);
  }

  /** After a change of the policy: requests and tunnels that are no longer allowed end. */
  recheck(): void {
    this.#servers.recheck();
  }

  /** Closes every connection and wipes the secrets. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#open) stream.destroy();
    this.#open.clear();
    this.#options.secrets.close();
    this.#options.authority.close();
  }

  async #openTls(connection: GuestConnection, ended: () => void): Promise<void> {
    const { stream, name } = connection;
    const secureContext = await this.#options.authority.contextFor(name);
    if (stream.destroyed) return;
    const socket = new TLSSocket(stream as Socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['h2', 'http/1.1'],
      requestCert: false,
    });
    // It has taken the handle over from what it wraps, which then says no more when it is closed.
    this.#open.add(socket);
    const unwatch =
      stream instanceof Socket ? this.#gone.watch(stream, () => socket.destroy()) : () => {};
    socket.once('close', () => {
      unwatch();
      this.#open.delete(socket);
      stream.destroy();
      ended();
    });
    let secure = false;
    const fail = (error: NodeJS.ErrnoException) => {
      if (!secure || isDistrust(error)) this.#refuseConnection(connection, reasonOf(error));
      // What closing brings with it is no second refusal.
      secure = true;
      socket.destroy();
    };
    const timer = setTimeout(
      () => fail(new Error('the TLS handshake took too long')),
      HANDSHAKE_MS,
    );
    socket.on('error', fail);
    socket.once('close', () => {
      clearTimeout(timer);
      if (!secure) fail(new Error('the program closed the connection during the TLS handshake'));
    });
    // Handed over in this very event: bytes that come with the handshake's last ones would be lost to HTTP/2 later.
    socket.once('secure', () => {
      clearTimeout(timer);
      if (servernameOf(socket) !== name) {
        fail(new Error('the TLS connection names another server than its first bytes did'));
        return;
      }
      secure = true;
      // As tls.Server does for the sockets that it makes; HTTP/2 waits for it.
      Object.assign(socket, { secureConnecting: false });
      try {
        this.#hand(connection, socket, socket.alpnProtocol === 'h2');
      } catch (error) {
        secure = false;
        fail(error as Error);
      }
    });
  }

  #hand(connection: GuestConnection, stream: Duplex, http2: boolean): void {
    const { secrets, restricted, decideRequest, report } = this.#options;
    const upstream = new Upstream(connection, this.#roots, http2);
    stream.once('close', () => upstream.close());
    const route: Omit<Route, 'underWay'> = {
      connection,
      upstream,
      secrets,
      restricted: () => restricted(connection),
      decide: (facts) => decideRequest(facts, connection),
      report,
    };
    if (http2) this.#servers.serveHttp2(stream, route);
    else this.#servers.serveHttp1(stream, route);
  }

  #refuseConnection({ name, port }: GuestConnection, reason: string): void {
    this.#options.report({
      target: `${name}:${port}/tcp`,
      allowed: false,
      rule: 'network.intercept',
      reason: `${name}:${port}: ${reason}`,
      details: { host: name, port },
    });
  }
}

/** As OpenSSL read it: whoever read the ClientHello before us must have read the same. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' ? servername.toLowerCase().replace(/\.$/, '') : undefined;
}

/** Alerts of a program that has roots of its own, or expects one certificate (RFC 8446 section 6.2). */
function isDistrust({ code }: NodeJS.ErrnoException): boolean {
  return /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)/.test(code ?? '');
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (isDistrust(error)) {
    return 'the program does not trust the certificate of the sandbox: it has roots of its own, or expects one certificate (pinning)';
  }
  if (
    error.code === 'ERR_SSL_NO_APPLICATION_PROTOCOL' ||
    /NO_APPLICATION_PROTOCOL|no suitable/i.test(error.message)
  ) {
    return 'the program asks for a protocol other than HTTP inside TLS, and connections to this name are read';
  }
  return `${error.message}${error.code === undefined ? '' : ` (${error.code})`}`;
}
