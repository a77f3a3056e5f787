/** One port of the guest, to one destination: a socket towards the outside that hears that destination alone. */
import { createSocket, type Socket } from 'node:dgram';

/** Bytes that may wait to be sent; what comes beyond is dropped, as a network does. */
const QUEUE_MAX_BYTES = 256 * 1024;
/** Datagrams that may wait for the socket itself. */
const EARLY_MAX = 16;

export interface FlowOptions {
  readonly address: string;
  readonly port: number;
  readonly onAnswer: (bytes: Buffer) => void;
  /** Called once. */
  readonly onClose: () => void;
}

export class DatagramFlow {
  readonly #options: FlowOptions;
  readonly #socket: Socket;
  #early: Buffer[] | undefined = [];
  #closed = false;
  usedMs = performance.now();

  constructor(options: FlowOptions) {
    this.#options = options;
    const { address, port } = options;
    this.#socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', (bytes) => {
      this.usedMs = performance.now();
      options.onAnswer(bytes);
    });
    // Nobody is there (ICMP), or no way leads there.
    this.#socket.on('error', () => this.close());
    this.#socket.once('connect', () => {
      const waiting = this.#early ?? [];
      this.#early = undefined;
      for (const bytes of waiting) this.#write(bytes);
    });
    this.#socket.connect(port, address);
  }

  /** Whether it was taken. */
  send(bytes: Buffer): boolean {
    this.usedMs = performance.now();
    if (this.#early === undefined) return this.#write(bytes);
    return this.#early.length < EARLY_MAX && this.#early.push(bytes) > 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
    this.#options.onClose();
  }

  #write(bytes: Buffer): boolean {
    if (this.#closed || this.#socket.getSendQueueSize() > QUEUE_MAX_BYTES) return false;
    // What cannot be sent is lost, as on any network; an error that stays comes as `error`.
    this.#socket.send(bytes, () => {});
    return true;
  }
}
