/**
 * Connections: so many at once. Where one more comes, the one goes on which nothing has been asked for longest, so that
 * whoever opens many and asks nothing keeps nobody out; where something is asked on all of them, the new one goes.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

export interface ConnectionRoomOptions {
  readonly most: number;
  /** There was no room for one; it has been closed. */
  readonly onFull: () => void;
}

export class ConnectionRoom {
  readonly #options: ConnectionRoomOptions;
  readonly #open = new Set<Socket>();
  /** In the order in which they became so. */
  readonly #unasked = new Set<Socket>();
  /** Requests that are not answered yet. */
  readonly #asked = new WeakMap<Socket, number>();
  /** With TLS a request knows only what is around its connection; both have the name of the other end. */
  readonly #inside = new Map<string, Socket>();
  readonly #around = new WeakMap<Socket, Socket>();

  constructor(options: ConnectionRoomOptions) {
    this.#options = options;
  }

  follow(server: Server): void {
    const isTls = server instanceof TlsServer;
    server.on('connection', (socket: Socket) => {
      if (!this.#enter(socket) || !isTls) return;
      const name = nameOf(socket);
      this.#inside.set(name, socket);
      socket.once('close', () => {
        if (this.#inside.get(name) === socket) this.#inside.delete(name);
      });
    });
    server.on('secureConnection', (around: Socket) => {
      const inside = this.#inside.get(nameOf(around));
      if (inside !== undefined) this.#around.set(around, inside);
    });
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const connection = this.#around.get(socket) ?? socket;
      this.#begin(connection);
      response.once('close', () => this.#end(connection));
    });
    // It is asked of until it ends.
    server.prependListener('upgrade', ({ socket }: IncomingMessage) => {
      this.#begin(this.#around.get(socket) ?? socket);
    });
  }

  /** @returns whether there is room for it */
  #enter(socket: Socket): boolean {
    if (this.#open.size >= this.#options.most) {
      const [longest] = this.#unasked;
      if (longest === undefined) {
        this.#options.onFull();
        socket.destroy();
        return false;
      }
      this.#leave(longest);
      longest.destroy();
    }
    this.#open.add(socket);
    this.#unasked.add(socket);
    socket.once('close', () => this.#leave(socket));
    return true;
  }

  #leave(socket: Socket): void {
    this.#open.delete(socket);
    this.#unasked.delete(socket);
  }

  #begin(socket: Socket): void {
    this.#asked.set(socket, (this.#asked.get(socket) ?? 0) + 1);
    this.#unasked.delete(socket);
  }

  #end(socket: Socket): void {
    const left = (this.#asked.get(socket) ?? 0) - 1;
    this.#asked.set(socket, left);
    if (left === 0 && this.#open.has(socket)) this.#unasked.add(socket);
  }
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Of the descriptors that this process may have half are for connections: without one it opens no file and starts no process. */
export function connectionsWithin(most: number, descriptors: number): number {
  return Math.max(1, Math.min(most, Math.floor(descriptors / 2)));
}

/** RLIMIT_NOFILE, proc(5): Node has raised it as far as it may. */
export function descriptorsAllowed(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
}
