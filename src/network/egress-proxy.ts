/**
 * Accepts the connections of one sandbox, whatever their destination.
 *
 * By TPROXY the accepted socket's own address is where the guest connected to
 * (Documentation/networking/tproxy.rst of the kernel).
 */
import type { Server, Socket } from 'node:net';
import { plainAddress } from '../policy/special-address.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import { ownEvents } from './fault-bounds.ts';
import { reset } from './reset.ts';

export interface ProxyCounters {
  /** Accepted, refused ones included. */
  readonly connections: number;
  readonly openConnections: number;
  /** From the guest. */
  readonly sentBytes: number;
  /** To the guest. */
  readonly receivedBytes: number;
}

export interface Destination {
  readonly address: string;
  readonly port: number;
}

/** At once, for each sandbox. */
const CONNECTIONS_MAX = 512;

export class EgressProxy {
  readonly #server: Server;
  readonly #context: ConnectionContext;
  readonly #destinationOf: (socket: Socket) => Destination | undefined;
  readonly #open = new Map<Socket, Connection>();
  #connections = 0;
  #sentBytes = 0;
  #receivedBytes = 0;

  /**
   * @param server Made with `allowHalfOpen`.
   * @param destinationOf Where the guest connected to; default as TPROXY leaves it.
   */
  constructor(server: Server, context: ConnectionContext, destinationOf = originalDestination) {
    this.#server = server;
    this.#context = context;
    this.#destinationOf = destinationOf;
    server.on('connection', (socket) => this.#accept(socket));
    server.on('error', () => {});
  }

  counters(): ProxyCounters {
    const open = [...this.#open.keys()];
    return {
      connections: this.#connections,
      openConnections: open.length,
      sentBytes: this.#sentBytes + sum(open.map((socket) => socket.bytesRead)),
      receivedBytes: this.#receivedBytes + sum(open.map((socket) => socket.bytesWritten)),
    };
  }

  recheck(): void {
    for (const connection of this.#open.values()) connection.recheck();
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#open.values()) connection.abort();
  }

  #accept(socket: Socket): void {
    ownEvents(socket);
    this.#connections++;
    const destination = this.#destinationOf(socket);
    if (destination === undefined) {
      socket.destroy();
      return;
    }
    if (this.#open.size >= CONNECTIONS_MAX) {
      this.#context.judge.reportConnection(
        { ...destination, speaks: 'other' },
        {
          allowed: false,
          rule: 'network.connections',
          reason: `${CONNECTIONS_MAX} connections are open already: close some`,
          by: 'address',
        },
      );
      reset(socket);
      return;
    }
    const connection = new Connection(socket, destination, this.#context);
    this.#open.set(socket, connection);
    void closed(socket).then(() => {
      this.#open.delete(socket);
      this.#sentBytes += socket.bytesRead;
      this.#receivedBytes += socket.bytesWritten;
    });
    void connection.run();
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function originalDestination({ localAddress, localPort }: Socket): Destination | undefined {
  const address = plainAddress(localAddress ?? '');
  return address === undefined || localPort === undefined
    ? undefined
    : { address, port: localPort };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
