/** Servers of datagrams: each answers with what it was sent, and tells. */
import { createSocket } from 'node:dgram';

/** More of them are answered and not told. */
const TOLD_MAX = 1000;

/** @returns What stops them. */
export async function startEchoes(
  where: readonly (readonly [address: string, port: number])[],
  told: string[],
): Promise<() => Promise<void>> {
  const sockets = await Promise.all(
    where.map(async ([address, port]) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (bytes, from) => {
        if (told.length < TOLD_MAX) told.push(`${address}:${port} ${bytes.toString()}`);
        socket.send(Buffer.concat([Buffer.from('echo '), bytes]), from.port, from.address);
      });
      await new Promise<void>((resolve) => socket.bind(port, address, resolve));
      return socket;
    }),
  );
  return async () => {
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
  };
}
