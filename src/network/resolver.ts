/**
 * The name server of one sandbox, on sockets that stand on 127.0.0.1:53 inside it.
 */
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { answerQuery, type NameSource, QUERY_MAX_BYTES } from './dns-answer.ts';
import { faultText, ownEvents } from './fault-bounds.ts';
import { TokenBucket } from './token-bucket.ts';

/** Queries that wait for an answer at once; more go unanswered, and are asked again by who meant them. */
const PENDING_MAX = 256;
/** A second, on average; programs that start ask for tens. */
const RATE = 200;
const BURST = 1000;
const TCP_CONNECTIONS_MAX = 16;
const TCP_IDLE_MS = 10_000;

export interface DnsSockets {
  readonly udp: UdpSocket;
  /** Listens already, or is about to. */
  readonly tcp: Server;
}

export class ResolverServer {
  readonly #judge: NameSource;
  readonly #sockets: DnsSockets;
  readonly #connections = new Set<Socket>();
  #pending = 0;
  readonly #queries = new TokenBucket(RATE, BURST);

  constructor(judge: NameSource, sockets: DnsSockets) {
    this.#judge = judge;
    this.#sockets = sockets;
    sockets.udp.on('message', (bytes, from) => void this.#udp(bytes, from));
    sockets.udp.on('error', () => {});
    sockets.tcp.on('connection', (socket) => this.#tcp(socket));
    sockets.tcp.on('error', () => {});
  }

  close(): void {
    this.#sockets.udp.close();
    this.#sockets.tcp.close();
    for (const socket of this.#connections) socket.destroy();
  }

  async #udp(bytes: Buffer, from: RemoteInfo): Promise<void> {
    const answer = await this.#answer(bytes, 'udp');
    if (answer === undefined) return;
    try {
      this.#sockets.udp.send(answer, from.port, from.address, () => {});
    } catch {
      // Closed meanwhile.
    }
  }

  /** Messages with their length before them (RFC 7766), answered in their order. */
  #tcp(socket: Socket): void {
    ownEvents(socket);
    if (this.#connections.size >= TCP_CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    // Its connection broke: what is thrown in answering is told where it is thrown.
    this.#serve(socket).catch(() => socket.destroy());
  }

  async #serve(socket: Socket): Promise<void> {
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
        const end = 2 + bytes.readUInt16BE(0);
        const answer = await this.#answer(bytes.subarray(2, end), 'tcp');
        bytes = bytes.subarray(end);
        if (answer === undefined) return void socket.destroy();
        const length = Buffer.alloc(2);
        length.writeUInt16BE(answer.length);
        // Who asks and does not read would have its answers kept here.
        if (!socket.write(Buffer.concat([length, answer]))) await once(socket, 'drain');
      }
      if (bytes.length >= 2 && bytes.readUInt16BE(0) > QUERY_MAX_BYTES)
        return void socket.destroy();
    }
  }

  async #answer(bytes: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    if (this.#pending >= PENDING_MAX || !this.#queries.take()) return undefined;
    this.#pending++;
    try {
      return await answerQuery(this.#judge, bytes, transport);
    } catch (error) {
      const reason = `a fault in the resolver: ${faultText(error as Error)}`;
      this.#judge.reportName('a query', { allowed: false, rule: 'network', reason });
      return undefined;
    } finally {
      this.#pending--;
    }
  }
}
