/**
 * One request of the guest: checked, given its secrets, sent on, answered.
 */
import type { IncomingMessage } from 'node:http';
import { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isCaissonError } from '../../core/error.ts';
import {
  answerGuest,
  continueOnce,
  cut,
  type GuestRequest,
  type GuestResponse,
  refuse,
  responseOn,
} from './answer-guest.ts';
import { brokerRequest } from './broker.ts';
import { checkRequest, type RequestHead, type Verdict } from './check-request.ts';
import { endToEnd, fieldsOf, valuesOf } from './headers.ts';
import type {
  GuestConnection,
  InterceptDecision,
  RequestDecision,
  RequestFacts,
} from './interceptor.ts';
import type { Problem } from './problem.ts';
import type { Secrets } from './secrets.ts';
import type { UnderWay } from './under-way.ts';
import type { Passed, Upstream } from './upstream.ts';

/** What is known of the connection that requests come on. */
export interface Route {
  readonly connection: GuestConnection;
  readonly upstream: Upstream;
  readonly secrets: Secrets;
  /** Asked for each request: the policy of an open sandbox can change. */
  readonly restricted: () => boolean;
  readonly decide: (facts: RequestFacts) => RequestDecision;
  readonly report: (decision: InterceptDecision) => void;
  readonly underWay: UnderWay;
}

/** Besides what is hop by hop: framing and Host are written anew, Expect is answered by us. */
const WRITTEN_ANEW = ['host', 'content-length', 'expect'];
/** What goes wrong on the way becomes an answer, or ends the stream; rejects when a rule or the report throws. */
export async function forward(
  route: Route,
  request: GuestRequest,
  response: GuestResponse,
): Promise<void> {
  const head = headOf(request);
  const verdict = check(route, head);
  report(route, head, verdict);
  if (!verdict.allowed) return refuse(request, response, problemOf(verdict));
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  response.on('error', () => gone.abort());
  request.on('error', () => gone.abort());
  // A reset of HTTP/2 ends the body like any other, and the answer is taken for finished then.
  request.once('aborted', () => gone.abort());
  const ended = watch(route, head, () => {
    gone.abort();
    cut(response);
  });
  try {
    const expects = valuesOf(head.fields, 'expect').some((value) => /^100-continue$/i.test(value));
    const answer = await route.upstream.send({
      ...prepare(route, head, verdict, request),
      ...(expects ? { onContinue: continueOnce(response) } : {}),
      signal: gone.signal,
    });
    await answerGuest(route.secrets, response, answer);
  } catch (error) {
    if (gone.signal.aborted) return;
    // Nobody reads what is left of an answer that cannot be passed on.
    gone.abort();
    failed(route, head, verdict, error as NodeJS.ErrnoException);
    if (response.headersSent) cut(response);
    else refuse(request, response, unreachable(route, error as NodeJS.ErrnoException));
  } finally {
    ended();
  }
}

/**
 * CONNECT, which is refused like any other request that is not let through.
 *
 * Rejects where an answer before it is still on its way: there is no place for another.
 */
export async function refuseConnect(
  route: Route,
  request: IncomingMessage,
  socket: Duplex,
): Promise<void> {
  const head = headOf(request);
  const verdict = check(route, head);
  report(route, head, verdict);
  const response = responseOn(request, socket);
  if (verdict.allowed) throw new Error('CONNECT was allowed');
  refuse(request, response, problemOf(verdict));
}

/** A request that wants another protocol on this connection (HTTP/1.1 alone). */
export async function forwardUpgrade(
  route: Route,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const parsed = headOf(request);
  const verdict = check(route, parsed);
  report(route, parsed, verdict);
  const response = responseOn(request, socket);
  if (!verdict.allowed) return refuse(request, response, problemOf(verdict));
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const ended = watch(route, parsed, () => {
    gone.abort();
    socket.destroy();
  });
  try {
    const passed = { ...prepare(route, parsed, verdict, request), length: 'none' as const };
    const answer = await route.upstream.send({
      ...passed,
      upgrade: 'websocket',
      signal: gone.signal,
    });
    if (answer.switched === undefined) return await answerGuest(route.secrets, response, answer);
    response.detachSocket(socket as never);
    const fields = await route.secrets.outOfHeader(endToEnd(answer.fields));
    const lines = [...fields, ['Connection', 'Upgrade'], ['Upgrade', 'websocket']].map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1');
    const { stream, head: early } = answer.switched;
    if (early.length > 0) socket.write(early);
    if (head.length > 0) stream.write(head);
    // Each listens for its end both as a source and as a target, beside what HTTP does: more than ten is no leak here.
    for (const end of [socket, stream]) end.setMaxListeners(20);
    await Promise.all([pipeline(socket, stream), pipeline(stream, socket)]);
  } catch (error) {
    if (!gone.signal.aborted) failed(route, parsed, verdict, error as NodeJS.ErrnoException);
    socket.destroy();
  } finally {
    ended();
  }
}

/** Until it has ended: a change of the policy holds for it, too. */
function watch(route: Route, head: RequestHead, end: () => void): () => void {
  const recheck = (): boolean => {
    // Whoever ended the connection has told why.
    if (route.connection.stream.destroyed) return true;
    const verdict = check(route, head);
    if (!verdict.allowed) report(route, head, verdict);
    return verdict.allowed;
  };
  return route.underWay.add({ recheck, end });
}

function headOf(request: GuestRequest): RequestHead {
  const fields = fieldsOf(request.rawHeaders);
  if (request instanceof Http2ServerRequest) {
    const { headers } = request;
    return {
      method: request.method,
      target: request.url,
      version: '2.0',
      fields,
      authority: headers[':authority'],
      scheme: headers[':scheme'],
      endsAfterHeader: request.stream.endAfterHeaders,
    };
  }
  const version = request.httpVersion === '1.0' ? '1.0' : '1.1';
  return { method: request.method ?? '', target: request.url ?? '', version, fields };
}

function check({ connection, restricted, secrets, decide }: Route, head: RequestHead): Verdict {
  const { name, port, speaks } = connection;
  return checkRequest(head, {
    name,
    port,
    speaks,
    restricted: restricted(),
    brokered: secrets.concern(name),
    decide,
  });
}

type Allowed = Extract<Verdict, { allowed: true }>;
type Refused = Extract<Verdict, { allowed: false }>;

function prepare(
  route: Route,
  head: RequestHead,
  { target, authority, length }: Allowed,
  request: GuestRequest,
): Omit<Passed, 'signal'> {
  const { name, port, speaks } = route.connection;
  const fields = endToEnd(head.fields, WRITTEN_ANEW);
  const brokered = brokerRequest({ fields, target, name, port, speaks }, route.secrets);
  for (const violation of brokered.violations) route.report(violation);
  return {
    method: head.method,
    target,
    authority,
    fields: brokered.fields,
    ...(brokered.sealed === undefined ? {} : { sealed: brokered.sealed }),
    length,
    body: request,
    trailers: () => endToEnd(fieldsOf(request.rawTrailers), ['content-length', 'host']),
    takesTrailers: valuesOf(head.fields, 'te').some((value) => /\btrailers\b/i.test(value)),
  };
}

function problemOf({ decision: { rule, reason }, status, hint }: Refused): Problem {
  return { status, rule, reason, hint };
}

function unreachable({ connection: { name, port } }: Route, error: NodeJS.ErrnoException): Problem {
  const { code, message } = error;
  if (isCaissonError(error) && error.details.secret !== undefined) {
    return { status: 502, rule: 'network.secrets', reason: message, hint: error.hint ?? '' };
  }
  const http2Alone = /NO_APPLICATION_PROTOCOL/.test(code ?? '');
  return {
    status: 502,
    rule: 'network.intercept',
    reason: `${name}:${port}: ${message}${code === undefined ? '' : ` (${code})`}`,
    hint: http2Alone
      ? 'the server takes HTTP/2 alone; a request of HTTP/1.1, and every request with a secret, goes out over HTTP/1.1'
      : 'the policy allows this request; the server or its certificate is at fault, and certificates are always verified',
  };
}

function report(route: Route, { method }: RequestHead, verdict: Verdict): void {
  const { decision, path } = verdict;
  route.report({
    ...decision,
    target: targetOf(route, method, path),
    details: { method, path, ...(verdict.allowed ? {} : { status: verdict.status }) },
  });
}

function failed(
  route: Route,
  { method }: RequestHead,
  { path }: Allowed,
  error: NodeJS.ErrnoException,
): void {
  const { rule, reason } = unreachable(route, error);
  const target = targetOf(route, method, path);
  route.report({
    target,
    // A server that is down was not refused; one that does not prove who it is was.
    allowed: error.syscall !== undefined,
    rule,
    reason,
    details: { method, path, code: error.code },
  });
}

function targetOf(
  { connection: { name, port, speaks } }: Route,
  method: string,
  path: string,
): string {
  const usual = speaks === 'tls' ? 443 : 80;
  const origin = `${speaks === 'tls' ? 'https' : 'http'}://${name}${port === usual ? '' : `:${port}`}`;
  return `${method.slice(0, 32)} ${origin}${path.slice(0, 1024)}`;
}
