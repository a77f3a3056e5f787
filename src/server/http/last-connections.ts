/** The end of an application's connections: those that are WebSockets are told, and whoever holds on is not waited for. */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

const LAST_WORDS_MS = 500;

export class LastConnections {
  readonly #open = new Set<Socket>();

  /**
   * Every connection counts: the server itself knows neither those that are no more its requests’ (an upgrade that is
   * being looked at) nor those that are not yet (TLS that has not begun), and waits for them all the same.
   */
  follow({ server }: Pick<FastifyInstance, 'server'>): void {
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /** Of a server that stops to listen now. */
  end({ server, websocketServer }: Pick<FastifyInstance, 'server' | 'websocketServer'>): void {
    for (const client of websocketServer.clients) client.close(1001);
    websocketServer.close();
    const timer = setTimeout(() => {
      for (const client of websocketServer.clients) client.terminate();
      for (const socket of this.#open) socket.destroy();
    }, LAST_WORDS_MS);
    server.once('close', () => clearTimeout(timer));
  }
}
