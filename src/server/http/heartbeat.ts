/**
 * Answers that take long. A proxy or a client gives a silent connection up after a minute or so; JSON allows white space
 * before the document, so after a while the status is sent, and then a space now and then until the document
 * follows. What fails after that is told as `{"problem": …}`: its status could no longer be.
 */
import type { FastifyReply } from 'fastify';
import { problemOf } from '../../api/problem.ts';
import type { Answer } from './answer.ts';
import { levelOf, toProblemError } from './problem-reply.ts';

/** How soon, and how often. */
export interface Heartbeat {
  readonly firstMs: number;
  readonly everyMs: number;
}

/** @returns the answer where it came soon enough, or undefined: then everything has been sent */
export async function withHeartbeat(
  reply: FastifyReply,
  work: Promise<Answer>,
  status: number,
  { firstMs, everyMs }: Heartbeat,
): Promise<Answer | undefined> {
  const wait = Promise.withResolvers<undefined>();
  const timer = setTimeout(wait.resolve, firstMs, undefined);
  try {
    const soon = await Promise.race([work, wait.promise]);
    if (soon !== undefined) return soon;
  } finally {
    clearTimeout(timer);
  }
  reply.hijack();
  const { raw } = reply;
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) raw.setHeader(name, value);
  }
  raw.writeHead(status, { 'content-type': 'application/json', 'x-accel-buffering': 'no' });
  raw.write(' ');
  const beat = setInterval(() => raw.write(' '), everyMs);
  try {
    const { body } = await work;
    raw.end(body);
  } catch (error) {
    const known = toProblemError(error);
    reply.log[levelOf(known)]({ err: known, code: known.code }, 'failed after its status was sent');
    raw.end(JSON.stringify({ problem: problemOf(known, reply.request.id) }));
  } finally {
    clearInterval(beat);
  }
  return undefined;
}
