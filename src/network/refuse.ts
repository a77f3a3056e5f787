/**
 * How a guest's program is told that its connection was refused: in the words of the protocol that it speaks.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE, problemBody } from './intercept/problem.ts';
import { reset } from './reset.ts';

/** Fatal, access_denied (RFC 8446 section 6.2): what TLS libraries print. */
const TLS_ALERT = Buffer.from([21, 3, 3, 0, 2, 2, 49]);
/** What is still on its way is read and dropped for this long, since a reset would overtake the answer. */
const LINGER_MS = 1000;

export interface Refusal {
  readonly rule: string;
  readonly reason: string;
}

export function refuse(
  socket: Socket,
  speaks: 'tls' | 'http' | 'other',
  { rule, reason }: Refusal,
  status = 403,
): void {
  if (speaks === 'other') reset(socket);
  if (socket.destroyed) return;
  socket.end(speaks === 'tls' ? TLS_ALERT : httpAnswer(status, rule, reason));
  socket.once('end', () => socket.destroySoon());
  readNoMore(socket);
}

/** Closes what was ended, whatever still comes: what nobody reads would keep it open for good. */
export function readNoMore(socket: Duplex): void {
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

function httpAnswer(status: number, rule: string, reason: string): string {
  const hint =
    status === 403 ? 'ask for it in the policy of the sandbox, under network' : 'try again later';
  const body = problemBody({ status, rule, reason, hint });
  const words = status === 403 ? 'Forbidden' : status === 400 ? 'Bad Request' : 'Bad Gateway';
  return `HTTP/1.1 ${status} ${words}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
