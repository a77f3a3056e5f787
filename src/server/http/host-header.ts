/** RFC 9112, 3.2: a request has one Host, or is refused. Node takes the first of several, and answers by itself where there is none. */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { CaissonError } from '../../core/error.ts';

/** @throws REQUEST_INVALID */
export function requireOneHost(
  { rawHeaders, httpVersionMinor }: IncomingMessage,
  reply: FastifyReply,
): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts === 1 || (hosts === 0 && httpVersionMinor === 0)) return;
  // A proxy before it may see another request here.
  reply.header('connection', 'close');
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: hosts === 0 ? 'the request names no Host' : 'the request names several Hosts',
  });
}
