/** Ways from here to the ports of a sandbox of a service: connections, and ports of this machine that lead there. */

import { createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod/mini';
import { connectPort, inspectNetwork } from '../api/ports.ts';
import { errorOf, problemSchema } from '../api/problem.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';
import { checkOptions } from '../policy/known-options.ts';
import type { NetworkPolicy } from '../policy/policy.ts';
import { PUBLISH } from '../sandbox/option-kinds.ts';
import { type PublishedPort, type PublishOptions, requirePublishable } from '../sandbox/ports.ts';
import { Channel } from './channel.ts';
import { remoteFailed } from './remote-answer.ts';
import type { Transport } from './transport.ts';

const MESSAGE_BYTES = 256 * 1024;
const problemMessage = z.object({ type: z.literal('problem'), problem: problemSchema });

export class RemotePorts {
  readonly #transport: Transport;
  readonly #id: string;
  readonly #open = new Set<PublishedPort>();

  /** @param id of the sandbox */
  constructor(transport: Transport, id: string) {
    this.#transport = transport;
    this.#id = id;
  }

  /** @throws REQUEST_INVALID, NETWORK_FAILED, SANDBOX_CLOSED */
  async connect(port: number): Promise<Duplex> {
    const params = { id: this.#id, port };
    const path = this.#transport.pathOf(connectPort, { params });
    const connection = new RemoteConnection(this.#transport, path);
    await connection.opened;
    return connection;
  }

  /** @throws REQUEST_INVALID, as a sandbox of this machine does */
  async publish(guestPort: number, options: PublishOptions = {}): Promise<PublishedPort> {
    checkOptions(options, 'publish', PUBLISH, 'client');
    const { host = '127.0.0.1', port = 0 } = options;
    const network = await this.#transport.ask(inspectNetwork, { params: { id: this.#id } });
    requirePublishable(network as unknown as NetworkPolicy, guestPort, host, port);
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => {});
      this.#carry(socket, guestPort).catch((error) => {
        socket.resetAndDestroy();
        const isGone = isCaissonError(error) && GONE.has(error.code);
        if (isGone) published.close();
      });
    });
    await listen(server, host, port);
    const ended = new Promise<void>((resolve) => server.once('close', resolve));
    const address = server.address();
    const published: PublishedPort = {
      guestPort,
      host,
      port: typeof address === 'object' && address !== null ? address.port : port,
      ended,
      close: async () => {
        this.#open.delete(published);
        for (const socket of sockets) socket.destroy();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      },
    };
    this.#open.add(published);
    return published;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((published) => published.close()));
  }

  async #carry(socket: Socket, guestPort: number): Promise<void> {
    const inside = await this.connect(guestPort);
    if (socket.destroyed) {
      inside.destroy();
      return;
    }
    socket.once('close', () => inside.destroy());
    inside.once('close', () => {
      if (!inside.readableEnded) socket.resetAndDestroy();
    });
    await Promise.all([pipeline(socket, inside), pipeline(inside, socket)]);
  }
}

/** The sandbox has ended: nobody will ever listen. */
const GONE: ReadonlySet<string> = new Set(['SANDBOX_CLOSED', 'NOT_FOUND']);

/** A connection to a port inside. Ended one way, it goes on the other, as a socket does. */
class RemoteConnection extends Duplex {
  readonly opened: Promise<void>;
  readonly #channel: Channel;
  #hasAll = false;

  constructor(transport: Transport, path: string) {
    super({ allowHalfOpen: true, autoDestroy: true });
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    opened.promise.catch(() => {});
    this.#channel = new Channel(transport, path, {
      binary: (message) => {
        if (!this.push(message)) this.#channel.pause();
      },
      text: (message) => {
        const type = (message as { readonly type?: unknown } | null)?.type;
        if (type === 'open') opened.resolve();
        else if (type === 'end') {
          this.#hasAll = true;
          this.push(null);
        } else if (type === 'problem') {
          const parsed = safeParse(problemMessage, message);
          throw parsed.success ? errorOf(parsed.data.problem) : remoteFailed('it failed');
        }
      },
      ended: (error) => {
        opened.reject(error);
        // Everything came; whoever reads it slowly still gets it.
        if (!this.#hasAll) this.destroy(error);
        else if (this.readableEnded) this.destroy();
      },
    });
    // Told by `opened`, or to whoever listens.
    this.on('error', () => {});
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const part = chunk.subarray(0, MESSAGE_BYTES);
    const rest = chunk.subarray(part.length);
    this.#channel.binary(part, (error) => {
      if (error !== undefined && error !== null) done(error);
      else if (rest.length > 0) this._write(rest, _, done);
      else done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#channel.json({ type: 'end' });
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#channel.close();
    done(error);
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (cause) => {
    reject(
      new CaissonError('REQUEST_INVALID', {
        layer: 'client',
        message: `port ${port} of ${host} cannot be listened on: ${cause.message}`,
        hint: 'leave port out: one that is free is taken',
        cause,
      }),
    );
  });
  server.listen({ host, port }, resolve);
  return promise;
}
