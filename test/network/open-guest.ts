/** A guest for the proxy as its own process, with sockets of another network namespace, as the launcher hands them over. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { NetworkHandles, RawHandle } from '../../src/launcher/network-handles.ts';

/** A server of the host at 127.0.0.2, and a guest in a namespace whose every destination is its own loopback. */
export async function openGuest() {
  const server = createServer((socket) => {
    socket.once('data', (chunk) => socket.end(`HOST ${chunk.length}`));
    socket.on('error', () => {});
  }).listen(0, '127.0.0.2');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const program = join(import.meta.dirname, 'namespace-guest.ts');
  const guest = fork(program, [String(port)], {
    execPath: 'unshare',
    execArgv: ['-n', process.execPath],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const parts: Record<string, RawHandle> = {};
  const collect = (message: { part?: string }, handle: unknown) => {
    if (message.part !== undefined) parts[message.part] = handle as RawHandle;
  };
  guest.on('message', collect);
  while (Object.keys(parts).length < 3) await once(guest, 'message');
  guest.off('message', collect);
  const tell = async (task: object): Promise<string> => {
    guest.send(task);
    while (true) {
      const [message] = (await once(guest, 'message')) as [{ answer?: string }];
      if (message.answer !== undefined) return String(message.answer);
    }
  };
  return {
    port,
    handles: parts as unknown as NetworkHandles,
    resolve: (name: string) => tell({ name }),
    connect: (address: string, send: Uint8Array) =>
      tell({ address, send: Buffer.from(send).toString('base64') }),
    [Symbol.asyncDispose]: async () => {
      server.close();
      await ended(guest);
    },
  };
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
