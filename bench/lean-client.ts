/** HTTP/1.1 on one kept connection, as little of it as the service needs: what measures it must not eat its cores. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface LeanAnswer {
  readonly status: number;
  readonly body: string;
}

export class LeanClient {
  readonly #socket: Socket;
  readonly #waiting: PromiseWithResolvers<LeanAnswer>[] = [];
  #rest = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    socket.once('close', () => {
      for (const each of this.#waiting.splice(0)) each.reject(new Error('the connection ended'));
    });
    socket.on('error', () => {});
  }

  static async open(address: string): Promise<LeanClient> {
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new LeanClient(socket);
  }

  /** @param request whole, as {@link requestBytes} makes it */
  ask(request: string | Uint8Array): Promise<LeanAnswer> {
    const waiting = Promise.withResolvers<LeanAnswer>();
    this.#waiting.push(waiting);
    this.#socket.write(request);
    return waiting.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The service tells the length of every answer that came soon, and sends others in chunks. */
  #take(text: string): void {
    this.#rest += text;
    for (;;) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.#rest.slice(0, end);
      const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
      const status = Number(head.slice(9, 12));
      if (length === undefined) throw new Error(`an answer without its length: ${head}`);
      const last = end + 4 + Number(length);
      if (this.#rest.length < last) return;
      const body = this.#rest.slice(end + 4, last);
      this.#rest = this.#rest.slice(last);
      this.#waiting.shift()?.resolve({ status, body });
    }
  }
}

/** Made once for each kind of request. */
export function requestBytes(method: string, path: string, key: string, body?: unknown): string {
  const text = body === undefined ? '' : JSON.stringify(body);
  const about =
    body === undefined
      ? ''
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\n${about}\r\n${text}`;
}
