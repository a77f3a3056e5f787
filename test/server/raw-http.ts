/** HTTP/1.1 as bytes on a socket: for requests that no client library would send, and answers taken as they come. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** Names in small letters; the last one of a name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Every name as it came. */
  readonly names: readonly string[];
  readonly body: Buffer;
  /** Its end did not come: the connection ended first, or nobody waited for it. */
  readonly isCut: boolean;
}

/** One connection. */
export class RawConnection {
  readonly socket: Socket;
  /** Settles when the server has ended it, whichever way. */
  readonly ended: Promise<void>;
  #buffer = Buffer.alloc(0);
  #hasEnded = false;
  #heard: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    const end = (): void => {
      this.#hasEnded = true;
      this.#heard();
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#heard();
    });
    socket.once('end', end);
    socket.once('close', end);
    // A reset ends it, too.
    socket.on('error', end);
  }

  /** @param address `http://127.0.0.1:8640` */
  static async open(address: string): Promise<RawConnection> {
    const { hostname, port } = new URL(address);
    // A server that ends its half may still be sent to.
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const connection = new RawConnection(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return connection;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  send(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed)
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /**
   * The next answer; informational ones are answers of their own, as far as they are asked for.
   *
   * @param options `head`: it has no body; `patienceMs`: after that what came so far is returned, `isCut`
   * @returns undefined where the connection ended, or nothing came, before a whole head
   */
  async answer({
    head = false,
    patienceMs = 10_000,
    informational = false,
  }: {
    readonly head?: boolean;
    readonly patienceMs?: number;
    readonly informational?: boolean;
  } = {}): Promise<RawAnswer | undefined> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end < 0) {
        if (this.#hasEnded || !(await this.#more(until))) return undefined;
        continue;
      }
      const { status, headers, names } = headOf(this.#buffer.subarray(0, end).toString('latin1'));
      this.#buffer = this.#buffer.subarray(end + 4);
      if (status < 200 && status !== 101 && !informational) continue;
      const bare = head || status === 204 || status === 304 || status < 200;
      const { body, isCut } = bare
        ? { body: Buffer.alloc(0), isCut: false }
        : await this.#body(headers, until);
      return { status, headers, names, body, isCut };
    }
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #body(
    headers: RawAnswer['headers'],
    until: number,
  ): Promise<Pick<RawAnswer, 'body' | 'isCut'>> {
    if (/chunked/i.test(headers['transfer-encoding'] ?? '')) return this.#chunks(until);
    const length = headers['content-length'];
    const wanted = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
    while (this.#buffer.length < wanted && !this.#hasEnded && (await this.#more(until)));
    const body = this.#buffer.subarray(0, Math.min(wanted, this.#buffer.length));
    this.#buffer = this.#buffer.subarray(body.length);
    return { body, isCut: length === undefined ? !this.#hasEnded : body.length < wanted };
  }

  async #chunks(until: number): Promise<Pick<RawAnswer, 'body' | 'isCut'>> {
    const parts: Buffer[] = [];
    for (;;) {
      const end = this.#buffer.indexOf('\r\n');
      const size =
        end < 0
          ? Number.NaN
          : Number.parseInt(this.#buffer.subarray(0, end).toString('latin1'), 16);
      if (end >= 0 && this.#buffer.length >= end + 2 + size + 2) {
        parts.push(Buffer.from(this.#buffer.subarray(end + 2, end + 2 + size)));
        this.#buffer = this.#buffer.subarray(end + 2 + size + 2);
        if (size === 0) return { body: Buffer.concat(parts), isCut: false };
        continue;
      }
      if (this.#hasEnded || !(await this.#more(until))) {
        return { body: Buffer.concat(parts), isCut: true };
      }
    }
  }

  /** @returns false: it was waited for long enough */
  async #more(until: number): Promise<boolean> {
    const left = until - performance.now();
    if (left <= 0) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(resolve, left, false);
    this.#heard = () => resolve(true);
    const isMore = await promise;
    clearTimeout(timer);
    this.#heard = () => {};
    return isMore;
  }
}

/** A request as text; what it says of itself is up to the caller. */
export function rawRequest(
  method: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
  body = '',
): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${lines}\r\n${body}`;
}

function headOf(text: string): Pick<RawAnswer, 'status' | 'headers' | 'names'> {
  const [first = '', ...lines] = text.split('\r\n');
  const pairs = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(pairs),
    names: pairs.map(([name]) => name),
  };
}
