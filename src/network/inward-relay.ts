/**
 * Connections that lead into a sandbox: accepted here, joined to one that the launcher makes inside. Bytes are passed
 * both ways and never read.
 */
import type { Socket } from 'node:net';
import type { ProxyCounters } from './egress-proxy.ts';
import { relayOneWay } from './relay.ts';
import { reset } from './reset.ts';

/** A connection to a port inside the sandbox of that network. */
export type DialInto = (id: number, port: number) => Promise<Socket>;

/** At once, for each listener. */
const CONNECTIONS_MAX = 512;
const IDLE_MS = 3_600_000;

export class InwardRelay {
  readonly #dialInto: DialInto;
  readonly #open = new Set<Socket>();
  #connections = 0;
  #sentBytes = 0;
  #receivedBytes = 0;

  constructor(dialInto: DialInto) {
    this.#dialInto = dialInto;
  }

  /** Takes a connection in, or resets it. Its errors are ours from here on. @returns Whether there is room. */
  take(socket: Socket): boolean {
    this.#connections++;
    socket.on('error', () => socket.destroy());
    if (this.#open.size >= CONNECTIONS_MAX) {
      this.refuse(socket);
      return false;
    }
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#sentBytes += socket.bytesRead;
      this.#receivedBytes += socket.bytesWritten;
    });
    return true;
  }

  /** Never rejects: a port that refuses inside resets the connection. @returns Why it could not be reached. */
  async join(socket: Socket, id: number, port: number): Promise<string | undefined> {
    let inside: Socket;
    try {
      inside = await this.#dialInto(id, port);
    } catch (error) {
      this.refuse(socket);
      return (error as Error).message;
    }
    inside.on('error', () => inside.destroy());
    if (socket.destroyed) {
      inside.destroy();
      return undefined;
    }
    relayOneWay(inside, socket, IDLE_MS);
    relayOneWay(socket, inside, IDLE_MS);
    return undefined;
  }

  refuse(socket: Socket): void {
    reset(socket);
  }

  /** `sent`: by who connected. */
  counters(): ProxyCounters {
    const open = [...this.#open];
    const sum = (of: (socket: Socket) => number): number =>
      open.reduce((total, each) => total + of(each), 0);
    return {
      connections: this.#connections,
      openConnections: open.length,
      sentBytes: this.#sentBytes + sum((socket) => socket.bytesRead),
      receivedBytes: this.#receivedBytes + sum((socket) => socket.bytesWritten),
    };
  }

  close(): void {
    for (const socket of this.#open) this.refuse(socket);
  }
}
