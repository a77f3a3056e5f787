/**
 * One request of the guest: checked, given its secrets, sent on, answered.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isCaissonError } from '../../core/error.ts';
import { brokerRequest } from './broker.ts';
import { checkRequest, type RequestHead, type Verdict } from './check-request.ts';
import { endToEnd, type Fields, fieldsOf, toFlat, toHttp2, valuesOf } from './headers.ts';
import type {
  GuestConnection,
  InterceptDecision,
  RequestDecision,
  RequestFacts,
} from './interceptor.ts';
import { PROBLEM_TYPE, type Problem, problemBody } from './problem.ts';
import type { Secrets } from './secrets.ts';
import type { UnderWay } from './under-way.ts';
import type { Answer, Passed, Upstream } from './upstream.ts';

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

export type GuestRequest = IncomingMessage | Http2ServerRequest;
export type GuestResponse = ServerResponse | Http2ServerResponse;

/** Besides what is hop by hop: framing and Host are written anew, Expect is answered by us. */
const WRITTEN_ANEW = ['host', 'content-length', 'expect'];
/** QUIC is refused, so that offers of HTTP/3 would only cost the guest time. */
const NOT_ANSWERED = ['alt-svc'];

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
  const ended = watch(route, head, () => {
    gone.abort();
    cut(response);
  });
  try {
    const expects = valuesOf(head.fields, 'expect').some((value) => /^100-continue$/i.test(value));
    const answer = await route.upstream.send({
      ...prepare(route, head, verdict, request),
      ...(expects ? { onContinue: () => response.writeContinue() } : {}),
      signal: gone.signal,
    });
    await answerGuest(route, response, answer);
  } catch (error) {
    if (gone.signal.aborted) return;
    failed(route, head, verdict, error as NodeJS.ErrnoException);
    if (response.headersSent) cut(response);
    else refuse(request, response, unreachable(route, error as NodeJS.ErrnoException));
  } finally {
    ended();
  }
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
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as never);
  response.once('finish', () => socket.end());
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
    if (answer.switched === undefined) return await answerGuest(route, response, answer);
    response.detachSocket(socket as never);
    const fields = await route.secrets.outOfHeader(endToEnd(answer.fields));
    const lines = [...fields, ['Connection', 'Upgrade'], ['Upgrade', 'websocket']].map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`, 'latin1');
    const { stream, head: early } = answer.switched;
    if (early.length > 0) socket.write(early);
    if (head.length > 0) stream.write(head);
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

async function answerGuest(route: Route, response: GuestResponse, answer: Answer): Promise<void> {
  const fields = await route.secrets.outOfHeader(endToEnd(answer.fields, NOT_ANSWERED));
  if (response instanceof Http2ServerResponse) {
    response.writeHead(answer.status, toHttp2(fields));
  } else {
    response.writeHead(answer.status, answer.reason, toFlat(fields));
    // The header goes with the body's first bytes, or soon without them: a stream's first event may be far away.
    setImmediate(() => response.flushHeaders());
  }
  const { body } = answer;
  body.once('end', () => {
    // In an event, where what is thrown would end the process.
    try {
      addTrailers(response, endToEnd(answer.trailers(), ['content-length']));
    } catch {
      cut(response);
    }
  });
  await pipeline(body, response as NodeJS.WritableStream);
}

function addTrailers(response: GuestResponse, trailers: Fields): void {
  if (trailers.length === 0) return;
  if (response instanceof Http2ServerResponse) response.addTrailers(toHttp2(trailers));
  else response.addTrailers(trailers as [string, string][]);
}

function refuse(request: GuestRequest, response: GuestResponse, problem: Problem): void {
  const body = Buffer.from(problemBody(problem));
  const headers = { 'content-type': PROBLEM_TYPE, 'content-length': body.length };
  if (response instanceof Http2ServerResponse) {
    response.writeHead(problem.status, headers);
  } else {
    // What follows of the body is not read, so nothing can follow it either.
    const more = request.headers['content-length'] ?? request.headers['transfer-encoding'];
    const close = more === undefined && problem.status !== 400 ? {} : { connection: 'close' };
    response.writeHead(problem.status, { ...headers, ...close });
  }
  (response as NodeJS.WritableStream).end(request.method === 'HEAD' ? Buffer.alloc(0) : body);
}

/** So that the guest does not take half an answer for a whole one. */
function cut(response: GuestResponse): void {
  if (response instanceof Http2ServerResponse) response.stream.close(2);
  else response.destroy();
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
