/** One name server: asked over UDP, and over TCP what does not fit there or cannot be trusted. */
import { askOverTcp, type TcpAnswer } from './ask-over-tcp.ts';
import type { AddressQuestion } from './name-answer.ts';
import { formatNameServer, type NameServerAddress } from './name-server-address.ts';
import { QuestionPort } from './question-port.ts';

export type ServerAnswer = Exclude<TcpAnswer, { kind: 'not-understood' }>;

/** For how long after its silence the others are asked first. */
const AVOIDED_MS = 10_000;

export class NameServer {
  /** `address:port` */
  readonly name: string;
  readonly #address: NameServerAddress;
  readonly #closing = new AbortController();
  #port: QuestionPort | undefined;
  /** With those that take no question any more, and still wait for answers. */
  readonly #ports = new Set<QuestionPort>();
  /** Until the server says that it does not understand EDNS. */
  #extended = true;
  #silentMs = Number.NEGATIVE_INFINITY;

  constructor(address: NameServerAddress) {
    this.name = formatNameServer(address);
    this.#address = address;
  }

  get isAvoided(): boolean {
    return performance.now() - this.#silentMs < AVOIDED_MS;
  }

  /** Never rejects. @param timeoutMs For each of at most three packets. */
  async ask(question: AddressQuestion, timeoutMs: number): Promise<ServerAnswer> {
    const extended = this.#extended;
    let answer = await this.#openPort(timeoutMs).ask(question, extended);
    if (answer.kind === 'not-understood' && extended) {
      this.#extended = false;
      answer = await this.#openPort(timeoutMs).ask(question, false);
    }
    const sure =
      answer.kind === 'truncated' || answer.kind === 'doubtful'
        ? await askOverTcp(this.#address, question, timeoutMs, this.#closing.signal)
        : answer;
    this.#silentMs = sure.kind === 'silent' ? performance.now() : Number.NEGATIVE_INFINITY;
    return sure.kind === 'not-understood' ? { kind: 'failed', code: 'NOTIMP' } : sure;
  }

  /** What it was asked already, it may still answer. */
  retire(): void {
    this.#port?.retire();
  }

  close(): void {
    this.#closing.abort();
    for (const port of this.#ports) port.close();
  }

  #openPort(timeoutMs: number): QuestionPort {
    if (this.#port?.isOpen === true) return this.#port;
    for (const port of this.#ports) if (port.isDone) this.#ports.delete(port);
    this.#port = new QuestionPort(this.#address, timeoutMs);
    this.#ports.add(this.#port);
    return this.#port;
  }
}
