/**
 * The part of the egress proxy that reads requests: it opens the guest's TLS with a certificate of the sandbox's own
 * authority, holds every request against the rules, and speaks verified TLS to the real server.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

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
