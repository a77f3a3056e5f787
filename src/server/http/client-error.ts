/** What is no HTTP, or did not come: answered by hand, since there is no request yet that could be. */
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { PROBLEM_TYPE, problemOf } from '../../api/problem.ts';
import { CaissonError } from '../../core/error.ts';
import { STRICT_HEADERS } from './strict-headers.ts';

/**
 * The connection ends with it: where its next request would begin nobody knows.
 *
 * @param isBusy a request before it is still being answered: what is said now would be taken for its answer
 */
export function replyClientError(error: Error, socket: Socket, isBusy: boolean): void {
  if (socket.destroyed) return;
  if (isBusy || !socket.writable || (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const id = randomUUID();
  const body = JSON.stringify(problemOf(toProblem(error), id));
  const { status } = JSON.parse(body) as { status: number };
  const headers = {
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    'x-request-id': id,
    ...STRICT_HEADERS,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}

/** https://nodejs.org/api/errors.html, and llhttp’s own. */
function toProblem(error: Error): CaissonError {
  const { code, reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new CaissonError('REQUEST_TIMEOUT', {
      layer: 'server',
      hint: 'the operator sets limits.headersTimeoutMs and limits.requestTimeoutMs',
    });
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new CaissonError('HEADERS_TOO_LARGE', { layer: 'server' });
  }
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `this is no HTTP/1.1${reason === undefined ? '' : `: ${reason}`}`,
  });
}
