/** HTTP/2 by hand (RFC 9113, RFC 7541), for guests that say what no library would. */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import type { Stand } from './stand.ts';

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const REFUSED_STREAM = 7;

export interface Frame {
  readonly kind: 'data' | 'headers' | 'reset' | 'other';
  readonly flags: number;
  readonly stream: number;
  readonly body: Buffer;
}

const KINDS = { 0: 'data', 1: 'headers', 3: 'reset' } as const;

function written(kind: number, flags: number, stream: number, body: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(body.length, 0, 3);
  header[3] = kind;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, body]);
}

/** A string without Huffman's code; its length as an integer with a prefix of seven bits. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** Literals, never kept in the table. */
export function fields(all: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(all).flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]),
  );
}

export class Http2Guest {
  readonly #stand: Stand;
  readonly #socket: TLSSocket;
  readonly frames: Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);

  private constructor(stand: Stand, socket: TLSSocket) {
    this.#stand = stand;
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  /** @param window Of each stream, for what the proxy may send. */
  static async open(stand: Stand, window = 65_535): Promise<Http2Guest> {
    const { port, name: servername, authorityPem: ca } = stand;
    const socket = connect({ port, host: '127.0.0.1', servername, ca, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const guest = new Http2Guest(stand, socket);
    const setting = Buffer.from([0, 4, 0, 0, 0, 0]);
    setting.writeUInt32BE(window, 2);
    guest.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), written(4, 0, 0, setting));
    return guest;
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** The header of a request, in one frame. */
  request(
    stream: number,
    path: string,
    more: Readonly<Record<string, string>> = {},
    { method = 'GET', ends = true }: { method?: string; ends?: boolean } = {},
  ): Buffer {
    const { name, port } = this.#stand;
    const pseudo = {
      ':method': method,
      ':scheme': 'https',
      ':authority': `${name}:${port}`,
      ':path': path,
    };
    const flags = END_HEADERS | (ends ? END_STREAM : 0);
    return written(1, flags, stream, fields({ ...pseudo, ...more }));
  }

  data(stream: number, body: string, ends: boolean): Buffer {
    return written(0, ends ? END_STREAM : 0, stream, Buffer.from(body, 'latin1'));
  }

  reset(stream: number, code: number): Buffer {
    return written(3, 0, stream, Buffer.of(0, 0, 0, code));
  }

  /** What came on one stream, once it has ended. */
  async answer(stream: number): Promise<Frame[]> {
    const seen = (): Frame[] => this.frames.filter((frame) => frame.stream === stream);
    const isEnd = ({ kind, flags }: Frame): boolean =>
      kind === 'reset' || (kind !== 'other' && (flags & END_STREAM) !== 0);
    const signal = AbortSignal.timeout(5000);
    while (!seen().some(isEnd)) {
      if (this.#socket.destroyed) throw new Error('the connection was closed');
      await Promise.race(['data', 'close'].map((event) => once(this.#socket, event, { signal })));
    }
    return seen();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9 && this.#rest.length >= 9 + this.#rest.readUIntBE(0, 3)) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      const kind = KINDS[this.#rest[3] as keyof typeof KINDS] ?? 'other';
      const [flags = 0, stream] = [this.#rest[4], this.#rest.readUInt32BE(5)];
      this.frames.push({ kind, flags, stream, body: Buffer.from(this.#rest.subarray(9, end)) });
      this.#rest = this.#rest.subarray(end);
    }
  }
}
