/**
 * Answers that take long. A proxy or a client gives a silent connection up after a minute or so; JSON allows white space
 * before the document, so after {@link FIRST_MS} the status is sent, and a space each {@link EVERY_MS} until the document
 * follows. What fails after that is told as `{"problem": …}`: its status could no longer be.
 */
import type { FastifyReply } from 'fastify';
import { type Problem, problemOf } from '../../api/problem.ts';
import { toProblemError } from './problem-reply.ts';

export const FIRST_MS = 10_000;
export const EVERY_MS = 10_000;

const NOT_YET = Symbol('not yet');

/** @returns the value where it came soon enough, or undefined: then everything has been sent */
export async function withHeartbeat<T>(
  reply: FastifyReply,
  work: Promise<T>,
  status: number,
  render: (value: T) => string,
  { firstMs = FIRST_MS, everyMs = EVERY_MS } = {},
): Promise<{ value: T } | undefined> {
  const wait = Promise.withResolvers<typeof NOT_YET>();
  const timer = setTimeout(wait.resolve, firstMs, NOT_YET);
  try {
    const first = await Promise.race([work, wait.promise]);
    if (first !== NOT_YET) return { value: first as T };
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
    raw.end(render(await work));
  } catch (error) {
    const known = toProblemError(error);
    reply.log.error({ err: known, code: known.code }, 'failed after its status was sent');
    raw.end(JSON.stringify(lateProblem(problemOf(known, reply.request.id))));
  } finally {
    clearInterval(beat);
  }
  return undefined;
}

function lateProblem(problem: Problem): { problem: Problem } {
  return { problem };
}
