/**
 * What is asked of every request before anything of it goes on: one meaning, the right server, an allowed path.
 */
import { type Fields, valuesOf } from './headers.ts';
import type { RequestDecision, RequestFacts } from './interceptor.ts';
import { meansName, parseTarget, readPath } from './request-target.ts';

/** A request as it was parsed. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1' | '2.0';
  readonly fields: Fields;
  /** HTTP/2's `:authority` and `:scheme`. */
  readonly authority?: string | undefined;
  readonly scheme?: string | undefined;
  /** HTTP/2 alone: whether nothing follows the header. */
  readonly endsAfterHeader?: boolean;
}

/** The connection that it came on. */
export interface Surroundings {
  readonly name: string;
  readonly port: number;
  readonly speaks: 'tls' | 'http';
  /** Whether rules on methods and paths hold for this name. */
  readonly restricted: boolean;
  /** Whether a secret is put into requests to this name. */
  readonly brokered: boolean;
  readonly decide: (facts: RequestFacts) => RequestDecision;
}

export type Verdict =
  | {
      readonly allowed: true;
      readonly decision: RequestDecision;
      /** Path without the query, for records. */
      readonly path: string;
      /** Path and query, as they go on. */
      readonly target: string;
      readonly authority: string;
      readonly length: number | 'unknown' | 'none';
    }
  | {
      readonly allowed: false;
      readonly decision: RequestDecision;
      readonly path: string;
      readonly status: number;
      /** What to change in the request or to ask for. */
      readonly hint: string;
    };

const SEND_HONESTLY = 'send the request as an ordinary client would';
/** RFC 9110 section 5.6.2, in capitals: Node sends every method so, and what was judged must be what is sent. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Z-]+$/;

export function checkRequest(head: RequestHead, around: Surroundings): Verdict {
  const target = parseTarget(head.target);
  if (!target.ok) return malformed('', target.reason);
  const { path, query, origin } = target.value;
  const authority = authorityOf(head);
  if (authority === undefined) {
    return malformed(path, 'the request has no Host, or more than one');
  }
  const scheme = around.speaks === 'tls' ? 'https' : 'http';
  const schemes = [head.scheme, origin?.scheme].filter((each) => each !== undefined);
  if (schemes.some((each) => each !== scheme)) {
    return malformed(path, `the request names another scheme than ${scheme}`);
  }
  const authorities = [authority, ...valuesOf(head.fields, 'host')];
  if (origin !== undefined) authorities.push(origin.authority);
  const other = authorities.find((each) => !meansName(each, around.name, around.port));
  if (other !== undefined) return fronted(path, other, around);
  if (!METHOD.test(head.method)) return malformed(path, 'the method is no token in capitals');
  if (head.method === 'CONNECT' || (head.method === 'TRACE' && around.brokered)) {
    const reason = `${head.method} is not let through where requests are read`;
    return refused(path, 405, 'network.intercept', reason, 'use another method');
  }
  const length = lengthOf(head);
  if (length === undefined) {
    return malformed(path, 'where the body of the request ends can be read in two ways');
  }
  return judge(head, around, { path, query, authority, length });
}

function judge(
  head: RequestHead,
  around: Surroundings,
  parts: { path: string; query: string; authority: string; length: number | 'unknown' | 'none' },
): Verdict {
  const { path, query, authority, length } = parts;
  const { name, port } = around;
  // Without rules nothing hangs on the path, and servers with odd ones (object stores) get what was sent.
  const read = around.restricted
    ? readPath(path)
    : ({ ok: true, value: { forwarded: path, readings: [path] } } as const);
  if (!read.ok) return malformed(path, read.reason);
  const { forwarded, readings } = read.value;
  let decision: RequestDecision | undefined;
  for (const reading of readings) {
    decision = around.decide({ method: head.method, path: reading, name, port });
    if (decision.allowed) continue;
    const several =
      readings.length > 1 ? `; a server may read this path as ${readings.join(' or ')}` : '';
    return {
      allowed: false,
      decision: { ...decision, reason: `${decision.reason}${several}` },
      path: reading,
      status: 403,
      hint: `ask for ${head.method} ${reading} at ${name}:${port} in network.allow`,
    };
  }
  if (decision === undefined) return malformed(path, 'the path has no reading');
  return {
    allowed: true,
    decision,
    path: forwarded,
    target: `${forwarded}${query}`,
    authority,
    length,
  };
}

/** Host of HTTP/1, `:authority` or Host of HTTP/2; undefined unless there is exactly one. */
function authorityOf({ fields, authority, version }: RequestHead): string | undefined {
  const hosts = valuesOf(fields, 'host');
  if (hosts.length > 1) return undefined;
  const found = version === '2.0' ? (authority ?? hosts[0]) : hosts[0];
  return found === '' ? undefined : found;
}

/** RFC 9112 section 6.3, without the cases in which recipients disagree: undefined for those. */
function lengthOf(head: RequestHead): number | 'unknown' | 'none' | undefined {
  const lengths = valuesOf(head.fields, 'content-length');
  const codings = valuesOf(head.fields, 'transfer-encoding');
  const [length] = lengths;
  if (lengths.length > 1) return undefined;
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) return undefined;
  if (head.version === '2.0') {
    if (codings.length > 0) return undefined;
    if (head.endsAfterHeader)
      return length === undefined || Number(length) === 0 ? 'none' : undefined;
    return length === undefined ? 'unknown' : Number(length);
  }
  if (codings.length > 0) {
    const chunked = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked';
    return chunked && length === undefined && head.version === '1.1' ? 'unknown' : undefined;
  }
  return length === undefined ? 'none' : Number(length);
}

function malformed(path: string, reason: string): Verdict {
  return refused(path, 400, 'network.intercept', reason, SEND_HONESTLY);
}

function fronted(path: string, other: string, { name, port, speaks }: Surroundings): Verdict {
  const by = speaks === 'tls' ? 'TLS connection' : 'connection';
  const reason = `the ${by} is for ${name}:${port}, and the request on it for ${JSON.stringify(other.slice(0, 255))}`;
  const hint = 'open a connection for that name, if the policy allows it';
  return refused(path, 421, 'network.fronting', reason, hint);
}

function refused(
  path: string,
  status: number,
  rule: string,
  reason: string,
  hint: string,
): Verdict {
  return { allowed: false, decision: { allowed: false, rule, reason }, path, status, hint };
}
