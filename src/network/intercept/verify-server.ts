/** TLS to the real server. */
import type { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';

const HANDSHAKE_MS = 15_000;
/** Made once: the roots of a host take 20 ms and a MiB each time, which a guest could have us spend at will. */
const contexts = new WeakMap<readonly string[], SecureContext>();

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
    secureContext: contextOf(roots),
    ALPNProtocols: [...protocols],
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

function contextOf(roots: readonly string[]): SecureContext {
  let context = contexts.get(roots);
  if (context === undefined) {
    context = createSecureContext({ ca: [...roots], minVersion: 'TLSv1.2' });
    contexts.set(roots, context);
  }
  return context;
}
