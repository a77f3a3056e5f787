/**
 * Answers to the guest, over HTTP/1.1 or HTTP/2: a server's, cleaned of the values that it was sent, or a refusal.
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import { type Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { readNoMore } from '../refuse.ts';
import { endToEnd, type Fields, toFlat, toHttp2 } from './headers.ts';
import { PROBLEM_TYPE, type Problem, problemBody } from './problem.ts';
import type { Secrets } from './secrets.ts';
import type { Answer } from './upstream.ts';

export type GuestRequest = IncomingMessage | Http2ServerRequest;
export type GuestResponse = ServerResponse | Http2ServerResponse;

/** QUIC is refused, so that offers of HTTP/3 would only cost the guest time. */
const NOT_ANSWERED = ['alt-svc'];

export async function answerGuest(
  secrets: Secrets,
  response: GuestResponse,
  answer: Answer,
): Promise<void> {
  // The reason phrase is searched with the header.
  const [phrase, ...fields] = await secrets.outOfHeader([
    ['', answer.reason],
    ...endToEnd(answer.fields, NOT_ANSWERED),
  ]);
  if (response instanceof Http2ServerResponse) {
    response.writeHead(answer.status, toHttp2(fields));
  } else {
    response.writeHead(answer.status, phrase?.[1] ?? '', toFlat(fields));
    // The header goes with the body's first bytes, or soon without them: a stream's first event may be far away.
    setImmediate(() => response.flushHeaders());
  }
  const { body } = answer;
  const trailers = (): Fields => endToEnd(answer.trailers(), ['content-length']);
  if (secrets.mayComeBack)
    return await endWith(response, body, () => secrets.outOfHeader(trailers()));
  body.once('end', () => {
    // In an event, where what is thrown would end the process.
    try {
      addTrailers(response, trailers());
    } catch {
      cut(response);
    }
  });
  await pipeline(body, response as NodeJS.WritableStream);
}

/** As a pipeline, but that values are looked for in the trailers before they go on. */
async function endWith(
  response: GuestResponse,
  body: Readable,
  trailers: () => Promise<Fields>,
): Promise<void> {
  const sent = finished(response as NodeJS.WritableStream, { readable: false });
  // Awaited below, and of no interest where the body fails before.
  sent.catch(() => {});
  await pipeline(body, response as NodeJS.WritableStream, { end: false });
  addTrailers(response, await trailers());
  response.end();
  await sent;
}

function addTrailers(response: GuestResponse, trailers: Fields): void {
  if (trailers.length === 0) return;
  if (response instanceof Http2ServerResponse) response.addTrailers(toHttp2(trailers));
  else response.addTrailers(trailers as [string, string][]);
}

export function refuse(request: GuestRequest, response: GuestResponse, problem: Problem): void {
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
export function cut(response: GuestResponse): void {
  if (response instanceof Http2ServerResponse) response.stream.close(2);
  else response.destroy();
}

/** The last answer on a connection that Node has handed over. @throws where one before it is still on its way */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.once('finish', () => {
    socket.end();
    readNoMore(socket);
  });
  return response;
}

/** A server may say it without end, to a guest that does not read. */
export function continueOnce(response: GuestResponse): () => void {
  let said = false;
  return () => {
    if (said) return;
    said = true;
    // In an event, where what is thrown would end the process: the guest may have reset the request just then.
    try {
      response.writeContinue();
    } catch {
      cut(response);
    }
  };
}
