/** Errors as answers. */
import type { FastifyReply } from 'fastify';
import { asCaissonError, PROBLEM_TYPE, problemOf } from '../../api/problem.ts';
import { CaissonError, type ErrorCode, errorCodes, isCaissonError } from '../../core/error.ts';
import { STRICT_HEADERS } from './strict-headers.ts';

/** What Fastify, the HTTP parser and Node say, in codes of ours. https://fastify.dev/docs/latest/Reference/Errors/ */
const CODES: Readonly<Record<string, (mostBytes?: number) => CaissonError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (mostBytes) =>
    new CaissonError('TOO_LARGE', {
      layer: 'server',
      message:
        mostBytes === undefined
          ? 'the body is larger than it may be'
          : `the body of this request has at most ${mostBytes} bytes`,
      hint: 'send less, or what is large as an upload; the operator sets limits.bodyBytes and limits.uploadBytes',
      ...(mostBytes === undefined ? {} : { details: { limit: mostBytes } }),
    }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new CaissonError('MEDIA_TYPE_UNSUPPORTED', {
      layer: 'server',
      hint: 'send content-type: application/json',
    }),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => invalid('the body is empty'),
  FST_ERR_CTP_INVALID_JSON_BODY: () => invalid('the body is not JSON'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => invalid('the body is not as long as its header says'),
  FST_ERR_BAD_URL: () => invalid('the path cannot be decoded'),
  FST_ERR_MAX_PARAM_LENGTH: () => invalid('a part of the path is too long'),
  FST_ERR_ASYNC_CONSTRAINT: () => invalid('the request cannot be routed'),
};

/** @param mostBytes that the body of the request might have */
export function toProblemError(error: unknown, mostBytes?: number): CaissonError {
  if (isCaissonError(error)) return endedBy(error);
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  const known = code === undefined ? undefined : CODES[code];
  if (known !== undefined) return known(mostBytes);
  // Parsers say 400 without a code.
  if (statusCode !== undefined && statusCode < 500) return invalid((error as Error).message);
  return asCaissonError(error);
}

/** Whoever ended it said why: what was at work when it ended knows only that it did. */
function endedBy(error: CaissonError): CaissonError {
  const { code, cause } = error;
  return code === 'ABORTED' && isCaissonError(cause) ? cause : error;
}

/** Nothing is wrong with a service that is asked to stop, or for what its host does not have. */
const NO_FAULT: ReadonlySet<ErrorCode> = new Set(['DRAINING', 'WALL_UNAVAILABLE']);

export function levelOf({ code }: CaissonError): 'error' | 'info' {
  return errorCodes[code].status >= 500 && !NO_FAULT.has(code) ? 'error' : 'info';
}

export function replyProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const known = isCutOff(reply, error)
    ? new CaissonError('ABORTED', { layer: 'server', message: 'its client went away' })
    : toProblemError(error, reply.request.routeOptions.bodyLimit);
  const { status } = errorCodes[known.code];
  const { log, id, clientAddress } = reply.request;
  if (status >= 500) {
    const about = { err: known, code: known.code, cause: known.cause, client: clientAddress };
    log[levelOf(known)](about, known.message);
  }
  const after = known.details.retryAfterSeconds;
  if (typeof after === 'number') reply.header('retry-after', String(Math.ceil(after)));
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="caisson"');
  // Bytes: to a text Fastify adds a charset, which this type has none of (RFC 9457, 6.1).
  return reply
    .code(status)
    .headers({ ...STRICT_HEADERS, 'x-request-id': id, 'content-type': PROBLEM_TYPE })
    .send(Buffer.from(JSON.stringify(problemOf(known, id))));
}

/** A body that was ended with its client, before its first piece: no fault of ours. */
function isCutOff({ raw }: FastifyReply, error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' && (raw.closed || raw.destroyed);
}

function invalid(message: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message,
    hint: 'the service describes every request at /openapi.json',
  });
}
