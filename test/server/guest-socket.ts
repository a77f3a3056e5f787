/** The client's end of a guest process over a WebSocket. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { CHANNEL, type WireSpawnEvent } from '../../src/api/spawn.ts';

export class GuestSocket {
  readonly socket: WebSocket;
  readonly events: WireSpawnEvent[] = [];
  stdout = Buffer.alloc(0);
  stderr = Buffer.alloc(0);
  readonly closed: Promise<number>;
  #heard: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        this.#heard();
        resolve(code);
      });
    });
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) this.events.push(JSON.parse(data.toString('utf8')));
      else if (data[0] === CHANNEL.stdout)
        this.stdout = Buffer.concat([this.stdout, data.subarray(1)]);
      else this.stderr = Buffer.concat([this.stderr, data.subarray(1)]);
      this.#heard();
    });
    socket.on('error', () => {});
  }

  /** @throws with the status that refused it */
  static async open(address: string, path: string, key: string): Promise<GuestSocket> {
    const url = `${address.replace('http', 'ws')}${path}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` } });
    const guest = new GuestSocket(socket);
    await once(socket, 'open');
    return guest;
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  input(bytes: string | Uint8Array): void {
    this.socket.send(Buffer.concat([Buffer.of(CHANNEL.stdin), Buffer.from(bytes)]));
  }

  /** The next event of that type, or one that has come. */
  async event<T extends WireSpawnEvent['type']>(
    type: T,
  ): Promise<Extract<WireSpawnEvent, { type: T }>> {
    for (;;) {
      const found = this.events.find((each) => each.type === type);
      if (found !== undefined) return found as Extract<WireSpawnEvent, { type: T }>;
      if (this.socket.readyState === WebSocket.CLOSED) {
        throw new Error(`closed without ${type}: ${JSON.stringify(this.events)}`);
      }
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  /** Waits for output. */
  async until(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}
