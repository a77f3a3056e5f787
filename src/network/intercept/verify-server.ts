/** TLS to the real server. */
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

const HANDSHAKE_MS = 15_000;

/** TLS to the server with everything verified: chain to a root, dates, and the name. */
export function verifyServer(
  plain: Socket,
  name: string,
  roots: readonly string[],
  protocols: readonly string[],
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({
    socket: plain,
    servername: name,
    ca: [...roots],
    ALPNProtocols: [...protocols],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  });
  const timer = setTimeout(() => socket.destroy(new Error('TLS took too long')), HANDSHAKE_MS);
  socket.once('secureConnect', () => {
    clearTimeout(timer);
    socket.setNoDelay(true);
    resolve(socket);
  });
  socket.once('close', () => {
    clearTimeout(timer);
    reject(new Error('the server closed the connection during the TLS handshake'));
  });
  socket.on('error', (error) => {
    plain.destroy();
    reject(error);
  });
  return promise;
}
