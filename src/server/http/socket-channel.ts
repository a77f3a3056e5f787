/**
 * A WebSocket as the service uses it: pings that find out whether somebody is still there, what is sent held back while
 * the client does not take it, messages counted.
 */
import type { FastifyInstance } from 'fastify';
import type { RawData, WebSocket } from 'ws';
import { problemOf } from '../../api/problem.ts';
import { CaissonError } from '../../core/error.ts';
import { withAcceptHint } from './accept-hint.ts';
import type { SocketAsked } from './implement.ts';
import { toProblemError } from './problem-reply.ts';
import type { SocketReader } from './socket-turns.ts';

/** So much waits in this process for a client that does not take it; then its sender waits too. */
const HIGH_BYTES = 1024 * 1024;
/** Of most pieces of output, with the byte before them. */
const PIECE = 64 * 1024 + 1;
const MOST_FREE = (2 * HIGH_BYTES) / PIECE;
/** Text messages are few by nature: so many in a second are a flood. */
const TEXT_PER_SECOND = 500;
/** RFC 6455, 7.4.1. */
export const CLOSE = { normal: 1000, unsupported: 1003, policy: 1008, fault: 1011 } as const;

export interface SocketListener {
  /** A text message. What it throws is told, and ends the connection. */
  text(message: string): void;
  binary(message: Buffer): void;
}

export class SocketChannel {
  readonly #socket: WebSocket;
  readonly #reader: SocketReader;
  readonly #request: string;
  readonly #accept: readonly string[];
  readonly #waiting: (() => void)[] = [];
  readonly #free: Buffer[] = [];
  readonly #ended = Promise.withResolvers<void>();
  /** To be answered: the last one of several (RFC 6455, 5.5.3). */
  #ping: Buffer | undefined;
  #unanswered = 0;
  #isPaused = false;
  /** Not on its way yet. */
  #latest: unknown;
  #isLatestOnItsWay = false;
  #texts = 0;
  #second = 0;

  constructor(
    socket: WebSocket,
    { accept, heartbeat }: Pick<FastifyInstance, 'accept' | 'heartbeat'>,
    { id, reader }: Pick<SocketAsked, 'id' | 'reader'>,
    listener: SocketListener,
  ) {
    this.#socket = socket;
    this.#reader = reader;
    this.#request = id;
    this.#accept = accept;
    const beat = setInterval(() => this.#beat(), heartbeat.everyMs);
    socket.once('close', () => {
      clearInterval(beat);
      // A guest that is detached goes on, and whoever reads it holds this.
      this.#free.length = 0;
      this.#ended.resolve();
      this.#flow();
    });
    socket.on('ping', (data) => {
      this.#unanswered = 0;
      if (this.#ping === undefined) setImmediate(() => this.#pong());
      this.#ping = data;
    });
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    socket.on('message', (data, isBinary) => {
      this.#unanswered = 0;
      if (!this.isOpen) return;
      try {
        if (isBinary) listener.binary(bytesOf(data));
        else {
          this.#count();
          listener.text(bytesOf(data).toString('utf8'));
        }
      } catch (error) {
        this.fail(error, CLOSE.policy);
      }
    });
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** Settles when nothing more is said, by either. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  json(message: unknown): void {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** One of which the last says all that those before it said: a client that takes none is kept no more than two. */
  latest(message: unknown): void {
    this.#latest = message;
    if (!this.#isLatestOnItsWay) this.#sendLatest();
  }

  #sendLatest(): void {
    const message = this.#latest;
    this.#latest = undefined;
    this.#isLatestOnItsWay = message !== undefined && this.isOpen;
    if (!this.#isLatestOnItsWay) return;
    this.#socket.send(JSON.stringify(message), () => this.#sendLatest());
  }

  /**
   * The same behind a byte that says which channel it is of.
   *
   * The message is put together in memory that is used again once it has been sent: at hundreds of megabytes a second
   * that spares the collector thousands of buffers.
   */
  channel(number: number, bytes: Buffer): Promise<void> | undefined {
    if (!this.isOpen) return undefined;
    const length = bytes.length + 1;
    const memory =
      length <= PIECE ? (this.#free.pop() ?? Buffer.allocUnsafeSlow(PIECE)) : undefined;
    const message = memory?.subarray(0, length) ?? Buffer.allocUnsafe(length);
    message[0] = number;
    bytes.copy(message, 1);
    return this.#send(message, () => {
      if (memory !== undefined && this.isOpen && this.#free.length < MOST_FREE)
        this.#free.push(memory);
    });
  }

  /** @returns where the client is behind: settles when it has taken enough, or has gone */
  binary(message: Uint8Array): Promise<void> | undefined {
    if (!this.isOpen) return undefined;
    return this.#send(message, () => {});
  }

  #send(message: Uint8Array, sent: () => void): Promise<void> | undefined {
    this.#socket.send(message, { binary: true }, () => {
      sent();
      this.#flow();
    });
    if (this.#socket.bufferedAmount < HIGH_BYTES) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** No more is taken from the client, until {@link resume}. */
  pause(): void {
    if (this.#isPaused || !this.isOpen) return;
    this.#isPaused = true;
    this.#reader.hold('full');
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#unanswered = 0;
    this.#reader.release('full');
  }

  close(code: number = CLOSE.normal): void {
    // A socket that is not read from never sees the other end's answer.
    this.resume();
    this.#socket.close(code);
    this.#ended.resolve();
  }

  /** Tells what went wrong, and closes. */
  fail(error: unknown, code: number = CLOSE.normal): void {
    const told = toProblemError(withAcceptHint(error, this.#accept));
    this.json({ type: 'problem', problem: problemOf(told, this.#request) });
    this.close(code);
  }

  #flow(): void {
    if (this.isOpen && this.#socket.bufferedAmount >= HIGH_BYTES / 2) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #pong(): void {
    const data = this.#ping;
    this.#ping = undefined;
    if (this.isOpen && this.#socket.bufferedAmount < HIGH_BYTES) this.#socket.pong(data);
  }

  #beat(): void {
    // Behind what it has not taken yet a ping would wait, and one more each time; TCP finds out then whether it is there.
    if (this.#socket.bufferedAmount > 0) return;
    // No answer is heard while nothing is taken from it.
    if (!this.#isPaused && this.#unanswered >= 2) {
      this.#socket.terminate();
      return;
    }
    this.#unanswered += 1;
    if (this.isOpen) this.#socket.ping();
  }

  #count(): void {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#texts = 0;
    }
    this.#texts += 1;
    if (this.#texts > TEXT_PER_SECOND) throw flood();
  }
}

function flood(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `more than ${TEXT_PER_SECOND} text messages in a second`,
    hint: 'send what is much as binary messages',
  });
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
