/** A server on the host's loopback that a guest must not reach; it counts who does. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

export interface ListeningVictim extends AsyncDisposable {
  readonly port: number;
  connections(): Promise<number>;
}

// A thread of its own, so that it accepts while the main thread waits for the guest.
const server = `
  const { parentPort } = require('node:worker_threads');
  let connections = 0;
  const server = require('node:net').createServer((socket) => { connections++; socket.resume(); });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  parentPort.on('message', () => parentPort.postMessage(connections));
`;

export async function countConnections(): Promise<ListeningVictim> {
  const worker = new Worker(server, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  return {
    port,
    async connections() {
      worker.postMessage('how many?');
      const [count] = (await once(worker, 'message')) as [number];
      return count;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
