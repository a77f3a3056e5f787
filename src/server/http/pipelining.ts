/**
 * Requests that come behind another one of the same connection before that is answered (RFC 9112, 9.3.2). Node begins with
 * all that one read brings, thousands of short ones in one pass of the loop, and everybody else waits. Here each has its turn
 * when the one before it has been answered, as its answer has; others come between.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** So many may wait on a connection before it is read no further; what one read brings comes on top. */
const MOST_WAITING = 32;

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

export class Pipelining {
  readonly #last = new WeakMap<Socket, ServerResponse>();
  readonly #waiting = new WeakMap<Socket, number>();
  /** Those that were held up once. */
  readonly #held = new WeakSet<Socket>();

  /** From now on whoever handles the requests of the server gets them in turn. */
  follow(server: Server): void {
    const handlers = server.listeners('request') as Handle[];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      this.#take(request, response, () => {
        for (const handle of handlers) handle.call(server, request, response);
      });
    });
  }

  /** Whether nothing is being answered on it. */
  isFree(socket: Socket): boolean {
    return this.#last.get(socket)?.closed !== false;
  }

  #take({ socket }: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const before = this.#last.get(socket);
    this.#last.set(socket, response);
    if (before?.closed !== false) {
      begin();
      return;
    }
    this.#count(socket, 1);
    before.once('close', () => {
      setImmediate(() => {
        this.#count(socket, -1);
        // Nobody hears an answer.
        if (!socket.destroyed) begin();
      });
    });
  }

  #count(socket: Socket, more: number): void {
    const waiting = (this.#waiting.get(socket) ?? 0) + more;
    this.#waiting.set(socket, waiting);
    if (more > 0 && waiting === MOST_WAITING) this.#hold(socket);
    if (more < 0 && waiting === MOST_WAITING - 1) socket.resume();
  }

  #hold(socket: Socket): void {
    if (!this.#held.has(socket)) {
      this.#held.add(socket);
      // Node goes on to read whenever a request has been read to its end.
      socket.on('resume', () => {
        if ((this.#waiting.get(socket) ?? 0) >= MOST_WAITING) socket.pause();
      });
    }
    socket.pause();
  }
}
