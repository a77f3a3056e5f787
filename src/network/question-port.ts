/**
 * One UDP socket, connected to one name server, that carries questions and finds the answers to them.
 *
 * Who cannot read the traffic can forge an answer only by guessing: the socket's port, which the kernel drew, and the
 * id of a question, drawn for each (RFC 5452). A socket that is kept gives more time to find the port, so
 *
 * - it serves few questions and a few seconds, and the next has another port;
 * - the first packet that is no answer to a question of it, whatever it says, ends it: what waits there is asked over
 *   TCP. A port that was found is worth one guess of 65,536, where a resolver that drops wrong ids and waits on lets
 *   thousands be tried.
 *
 * The kernel drops what does not come from the server's own address and port, and tells when nothing listens there.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { type AddressQuestion, type NameAnswer, readAnswer, writeQuestion } from './name-answer.ts';
import type { NameServerAddress } from './name-server-address.ts';

export type PortAnswer =
  | Exclude<NameAnswer, { kind: 'foreign' }>
  /** Something came that is no answer to what was asked here. */
  | { readonly kind: 'doubtful' }
  /** Nothing came, or the server is not there. */
  | { readonly kind: 'silent'; readonly code: string };

interface Waiting {
  readonly question: AddressQuestion;
  readonly untilMs: number;
  readonly settle: (answer: PortAnswer) => void;
}

const QUESTIONS_MAX = 100;
const LIFE_MS = 10_000;
const HEADER_BYTES = 12;

export class QuestionPort {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  /** Ids of this socket, answered ones included: an answer that comes late or twice is no forgery. */
  readonly #used = new Set<number>();
  /** One for all questions: a timer of its own would cost each as much as its packet's making. */
  readonly #watch: NodeJS.Timeout;
  readonly #untilMs = performance.now() + LIFE_MS;
  readonly #timeoutMs: number;
  /** Until the socket is connected. */
  #queue: Buffer[] | undefined = [];
  #retired = false;

  /** @param timeoutMs Of a question: by up to a quarter more. */
  constructor({ address, port }: NameServerAddress, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#socket = createSocket({
      type: address.includes(':') ? 'udp6' : 'udp4',
      // It is an address, and is there at once.
      lookup: (host, _options, done) => done(null, host, address.includes(':') ? 6 : 4),
    });
    this.#socket.on('message', (bytes) => this.#take(bytes));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.connect(port, address, (error?: Error) => {
      if (error !== undefined) return this.#fail(error);
      const queue = this.#queue ?? [];
      this.#queue = undefined;
      for (const bytes of queue) this.#send(bytes);
    });
    this.#watch = setInterval(() => this.#look(), timeoutMs / 4).unref();
    if (this.isDone) clearInterval(this.#watch);
  }

  /** Whether it takes another question. */
  get isOpen(): boolean {
    return !this.#retired;
  }

  /** Whether its socket is closed. */
  get isDone(): boolean {
    return this.#retired && this.#waiting.size === 0;
  }

  /** @param extended With EDNS. */
  ask(question: AddressQuestion, extended: boolean): Promise<PortAnswer> {
    const { promise, resolve } = Promise.withResolvers<PortAnswer>();
    let id = randomInt(65_536);
    while (this.#used.has(id)) id = randomInt(65_536);
    this.#used.add(id);
    const settle = (answer: PortAnswer): void => {
      this.#waiting.delete(id);
      resolve(answer);
      if (this.isDone) this.#end();
    };
    const untilMs = performance.now() + this.#timeoutMs;
    this.#waiting.set(id, { question, untilMs, settle });
    const bytes = writeQuestion(question, id, extended);
    if (this.#queue === undefined) this.#send(bytes);
    else this.#queue.push(bytes);
    if (this.#used.size >= QUESTIONS_MAX) this.retire();
    return promise;
  }

  /** Takes no question any more; goes with the last answer. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    if (this.isDone) this.#end();
  }

  /** Ends what waits, too. */
  close(): void {
    this.#endWith({ kind: 'silent', code: 'ECANCELLED' });
  }

  #end(): void {
    clearInterval(this.#watch);
    this.#socket.close();
  }

  #look(): void {
    const nowMs = performance.now();
    if (nowMs >= this.#untilMs) this.retire();
    for (const { untilMs, settle } of [...this.#waiting.values()]) {
      if (untilMs > nowMs) continue;
      // The host may have another address by now, and a socket keeps the one that it began with.
      this.retire();
      settle({ kind: 'silent', code: 'ETIMEOUT' });
    }
  }

  #send(bytes: Buffer): void {
    if (this.isDone) return;
    this.#socket.send(bytes, (error) => {
      if (error !== null) this.#fail(error);
    });
  }

  #take(bytes: Buffer): void {
    const id = bytes.length < HEADER_BYTES ? -1 : bytes.readUInt16BE(0);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      if (!this.#used.has(id)) this.#endWith({ kind: 'doubtful' });
      return;
    }
    const answer = readAnswer(bytes, waiting.question);
    if (answer.kind === 'foreign') this.#endWith({ kind: 'doubtful' });
    else waiting.settle(answer);
  }

  #fail(error: Error): void {
    const { code = error.message } = error as NodeJS.ErrnoException;
    this.#endWith({ kind: 'silent', code });
  }

  #endWith(answer: PortAnswer): void {
    const all = [...this.#waiting.values()];
    this.retire();
    for (const { settle } of all) settle(answer);
  }
}
