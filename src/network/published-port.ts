/**
 * A port of a sandbox on a loopback port of the host.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { CaissonError } from '../core/error.ts';
import type { ProxyCounters } from './egress-proxy.ts';
import { FaultBound, ownEvents } from './fault-bounds.ts';
import { type DialInto, InwardRelay } from './inward-relay.ts';

export interface PublishOptions {
  /** Inside. */
  readonly guestPort: number;
  /** `127.0.0.1` or `::1`. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export class PublishedPort {
  readonly port: number;
  readonly #server: Server;
  readonly #relay: InwardRelay;

  private constructor(server: Server, relay: InwardRelay) {
    this.#server = server;
    this.#relay = relay;
    this.port = (server.address() as AddressInfo).port;
  }

  /**
   * @param onFault Told of a fault of ours that its connections met, which closes it.
   * @throws REQUEST_INVALID where the port of the host cannot be had
   */
  static async open(
    id: number,
    { guestPort, host, port }: PublishOptions,
    dialInto: DialInto,
    onFault: (fault: string) => void,
  ): Promise<PublishedPort> {
    const relay = new InwardRelay(dialInto);
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true } as const;
    const server = createServer(options);
    const bound = new FaultBound((fault) => {
      server.close();
      relay.close();
      onFault(fault);
    });
    bound.serve(() =>
      ownEvents(server).on('connection', (socket) => {
        ownEvents(socket);
        if (relay.take(socket)) void relay.join(socket, id, guestPort);
      }),
    );
    try {
      server.listen({ host, port, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      throw unusable(host, port, error);
    }
    server.on('error', () => {});
    return new PublishedPort(server, relay);
  }

  counters(): ProxyCounters {
    return this.#relay.counters();
  }

  close(): void {
    this.#server.close();
    this.#relay.close();
  }
}

function unusable(host: string, port: number, cause: unknown): CaissonError {
  const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new CaissonError('REQUEST_INVALID', {
    layer: 'network',
    message: `port ${port} of ${host} cannot be published on (${errno})`,
    hint: 'give another port, or 0 for one that is free',
    details: { host, port, errno },
  });
}
