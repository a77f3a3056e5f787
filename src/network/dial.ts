/**
 * The way out: a TCP connection to one of the addresses that were checked, never to a name.
 */
import { connect, type LookupFunction, type OnReadOpts, type Socket } from 'node:net';

/** Connects, or rejects with what the last attempt failed with. `onread`: who takes what is read, instead of a stream. */
export type Dial = (
  addresses: readonly string[],
  port: number,
  onread?: OnReadOpts,
) => Promise<Socket>;

const TIMEOUT_MS = 30_000;
/** RFC 8305 section 8: when the next address is tried beside the first. */
const NEXT_ADDRESS_MS = 250;

export const dial: Dial = (addresses, port, onread) => {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    host: addresses[0] ?? '',
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    allowHalfOpen: true,
    ...(onread === undefined ? {} : { onread }),
    ...(addresses.length > 1
      ? {
          host: 'checked-addresses',
          autoSelectFamily: true,
          autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
          lookup: answerWith(addresses),
        }
      : {}),
  });
  const timer = setTimeout(() => socket.destroy(new Error('no answer in 30 s')), TIMEOUT_MS);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.off('error', reject);
    resolve(socket);
  });
  socket.once('error', reject);
  // Whoever gets the socket listens, too; an error that nobody heard would end every sandbox's network.
  socket.on('error', () => {});
  socket.once('close', () => clearTimeout(timer));
  return promise;
};

function answerWith(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_name, options, callback) => {
    if (options.all) callback(null, all);
    else callback(null, all[0]?.address ?? '', all[0]?.family);
  };
}

/**
 * As {@link dial}, but so many at once: one connection of a guest on which requests are read may have sixteen servers',
 * and descriptors are of all sandboxes.
 */
export function dialAtMost(most: number): Dial {
  let open = 0;
  return async (addresses, port, onread) => {
    if (open >= most) {
      const error = new Error(`${most} connections to servers are open already: close some`);
      throw Object.assign(error, { code: 'EMFILE' });
    }
    open++;
    try {
      const socket = await dial(addresses, port, onread);
      socket.once('close', () => open--);
      return socket;
    } catch (error) {
      open--;
      throw error;
    }
  };
}
