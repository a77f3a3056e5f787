/** A WebSocket of a service: what is said before it is open waits, what is not understood ends it, silence too. */
import { type RawData, WebSocket } from 'ws';
import { CaissonError } from '../core/error.ts';
import { failure, parsedJson, refusalOf, remoteFailed } from './remote-answer.ts';
import { closed, type Transport } from './transport.ts';

export interface ChannelListener {
  /** A text message, as JSON. What it throws ends the channel. */
  text(message: unknown): void;
  binary(message: Buffer): void;
  /** Once, and last: why it ended. */
  ended(error: CaissonError): void;
}

export interface ChannelOptions {
  readonly signal?: AbortSignal | undefined;
  /** Beside those of every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A service sends its messages in pieces of a megabyte at most; an outcome may be larger. */
const MOST_BYTES = 32 * 2 ** 20;

export class Channel {
  readonly #socket: WebSocket;
  readonly #listener: ChannelListener;
  readonly #silenceMs: number;
  readonly #signal: AbortSignal | undefined;
  /** What was said before it was open. */
  #early: (() => void)[] = [];
  #silence: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(
    transport: Transport,
    path: string,
    listener: ChannelListener,
    { signal, headers = {} }: ChannelOptions = {},
  ) {
    this.#listener = listener;
    this.#silenceMs = transport.silenceMs;
    this.#signal = signal;
    const socket = connect(transport, path, headers);
    this.#socket = socket;
    signal?.addEventListener('abort', this.#aborted, { once: true });
    socket.once('open', () => {
      this.#heard();
      for (const say of this.#early.splice(0)) say();
    });
    socket.on('ping', () => this.#heard());
    socket.on('message', (data, isBinary) => {
      this.#heard();
      if (!this.#hasEnded) this.#take(bytesOf(data), isBinary);
    });
    socket.once('unexpected-response', (_, response) => {
      response.setTimeout(this.#silenceMs, () => response.destroy());
      refusalOf(response, signal).then((refusal) => this.#end(refusal));
    });
    socket.once('error', (error) => this.#end(failure(error, signal)));
    socket.once('close', () => this.#end(remoteFailed('the connection ended too soon')));
    // Not before its owner has it.
    if (signal?.aborted === true) queueMicrotask(this.#aborted);
    else if (transport.isClosed) queueMicrotask(() => this.#end(closed()));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  json(message: unknown): void {
    this.#say(() => this.#socket.send(JSON.stringify(message)));
  }

  /** @param done it has been handed to the system; with an error where it cannot be */
  binary(message: Uint8Array, done: (error?: Error | null) => void): void {
    if (this.#hasEnded) done(new Error('the connection has ended'));
    else this.#say(() => this.#socket.send(message, { binary: true }, (error) => done(error)));
  }

  /** Nothing is read until {@link resume}. */
  pause(): void {
    clearTimeout(this.#silence);
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
    this.#heard();
  }

  /** Ends it; its listener is not told. */
  close(): void {
    if (this.#hasEnded) return;
    this.#leave();
    // The other end closes, too; where it does not, ws ends the connection after a while.
    if (this.isOpen) this.#socket.close();
    else this.#socket.terminate();
    this.#socket.resume();
  }

  #take(message: Buffer, isBinary: boolean): void {
    try {
      if (isBinary) this.#listener.binary(message);
      else this.#listener.text(parsedJson(message.toString('utf8')));
    } catch (error) {
      this.#end(error as CaissonError);
    }
  }

  #say(say: () => void): void {
    if (this.#hasEnded) return;
    if (this.#socket.readyState === WebSocket.CONNECTING) this.#early.push(say);
    else say();
  }

  readonly #aborted = (): void => {
    this.#end(new CaissonError('ABORTED', { layer: 'client', cause: this.#signal?.reason }));
  };

  #heard(): void {
    clearTimeout(this.#silence);
    if (this.#hasEnded || this.#socket.isPaused) return;
    this.#silence = setTimeout(() => {
      this.#end(remoteFailed(`it said nothing for ${this.#silenceMs} ms`));
    }, this.#silenceMs);
  }

  #end(error: CaissonError): void {
    if (this.#hasEnded) return;
    this.#leave();
    this.#socket.terminate();
    this.#listener.ended(error);
  }

  #leave(): void {
    this.#hasEnded = true;
    this.#early = [];
    clearTimeout(this.#silence);
    this.#signal?.removeEventListener('abort', this.#aborted);
    // Of a connection that is given up before it stands.
    this.#socket.on('error', () => {});
  }
}

function connect(
  transport: Transport,
  path: string,
  headers: Readonly<Record<string, string>>,
): WebSocket {
  const { base, socketPath, ca, silenceMs } = transport;
  const scheme = base.protocol === 'https:' ? 'wss' : 'ws';
  const address =
    socketPath === undefined
      ? `${scheme}://${base.host}${path}`
      : `ws+unix://${socketPath}:${path}`;
  return new WebSocket(address, {
    headers: { ...transport.headers, ...headers },
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: MOST_BYTES,
    handshakeTimeout: silenceMs,
    ...(ca === undefined ? {} : { ca }),
  });
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
