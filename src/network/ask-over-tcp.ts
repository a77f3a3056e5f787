/** One question to a name server over a TCP connection of its own (RFC 7766), which nobody can forge from afar. */
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { type AddressQuestion, type NameAnswer, readAnswer, writeQuestion } from './name-answer.ts';
import type { NameServerAddress } from './name-server-address.ts';

export type TcpAnswer =
  | Exclude<NameAnswer, { kind: 'foreign' | 'truncated' }>
  | { readonly kind: 'silent'; readonly code: string };

const LENGTH_BYTES = 2;

/** Never rejects. */
export function askOverTcp(
  { address, port }: NameServerAddress,
  question: AddressQuestion,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<TcpAnswer> {
  const { promise, resolve } = Promise.withResolvers<TcpAnswer>();
  const id = randomInt(65_536);
  const query = writeQuestion(question, id, false);
  const socket = connect({ host: address, port, noDelay: true, signal });
  const settle = (answer: TcpAnswer): void => {
    clearTimeout(timer);
    socket.destroy();
    resolve(answer);
  };
  const timer = setTimeout(() => settle({ kind: 'silent', code: 'ETIMEOUT' }), timeoutMs);
  const chunks: Buffer[] = [];
  let missing = LENGTH_BYTES;
  let isLengthKnown = false;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    missing -= chunk.length;
    if (missing > 0) return;
    const bytes = Buffer.concat(chunks);
    const end = LENGTH_BYTES + bytes.readUInt16BE(0);
    if (!isLengthKnown) missing = end - bytes.length;
    isLengthKnown = true;
    if (missing > 0) return;
    const message = bytes.subarray(LENGTH_BYTES, end);
    const isOurs = message.length >= LENGTH_BYTES && message.readUInt16BE(0) === id;
    const answer = isOurs ? readAnswer(message, question) : ({ kind: 'foreign' } as const);
    if (answer.kind === 'foreign' || answer.kind === 'truncated') {
      settle({ kind: 'silent', code: 'EBADRESP' });
    } else settle(answer);
  });
  socket.on('error', (error: NodeJS.ErrnoException) =>
    settle({ kind: 'silent', code: error.code ?? error.message }),
  );
  socket.on('close', () => settle({ kind: 'silent', code: 'ECONNRESET' }));
  socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query]));
  return promise;
}
