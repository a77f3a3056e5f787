/**
 * The calls of host functions that one evaluation has open: bounded in number and bytes, answered no faster than the host
 * takes the answers. Nothing that a guest sends, and nothing that a granted function throws, ends up as an exception here.
 */
import type { Writable } from 'node:stream';
import { encodeHostFrame, hostFrame } from './host-frames.ts';
import { CALL_BYTES_MAX, CALLS_MAX, type HostCall } from './host-messages.ts';
import type { EvaluateHooks } from './program.ts';

/** Answers wait, as values, while so much of earlier ones has not been taken. */
const UNTAKEN_MAX = 16 * 2 ** 20;
const MESSAGE_MAX = 64 * 1024;

interface Answer {
  readonly call: number;
  readonly ok: boolean;
  readonly value: unknown;
}

export interface HostCallsSetup {
  /** Of the evaluation. */
  readonly id: number;
  readonly grants: readonly string[];
  readonly hooks: EvaluateHooks;
  /** Where answers go to. */
  readonly output: Writable;
}

export class HostCalls {
  readonly #setup: HostCallsSetup;
  /** Bytes of the arguments of each that is open. */
  readonly #open = new Map<number, number>();
  readonly #answers: Answer[] = [];
  readonly #onDrain = (): void => this.#answer();
  #bytes = 0;
  #last = 0;
  #isClosed = false;

  constructor(setup: HostCallsSetup) {
    this.#setup = setup;
  }

  /** @param bytes that its frame had @throws Error for what no host asks */
  take({ call, name, args }: HostCall, bytes: number): void {
    this.#bytes += bytes;
    if (call <= this.#last) throw new Error('a CALL with the number of an earlier one');
    if (!this.#setup.grants.includes(name)) throw new Error('a CALL of what was not granted');
    if (this.#open.size >= CALLS_MAX || this.#bytes > CALL_BYTES_MAX) {
      throw new Error('more calls than may be open');
    }
    this.#last = call;
    this.#open.set(call, bytes);
    void this.#call(call, name, args);
  }

  /** Answers that are still to come reach nobody. */
  close(): void {
    this.#isClosed = true;
    this.#answers.length = 0;
    this.#setup.output.off('drain', this.#onDrain);
  }

  async #call(call: number, name: string, args: readonly unknown[]): Promise<void> {
    let answer: Answer;
    try {
      answer = { call, ok: true, value: await this.#setup.hooks.call(name, args) };
    } catch (error) {
      answer = { call, ok: false, value: messageOf(error) };
    }
    if (this.#isClosed) return;
    this.#answers.push(answer);
    if (this.#answers.length === 1) this.#answer();
  }

  #answer(): void {
    const { output, id } = this.#setup;
    for (let next = this.#answers[0]; next !== undefined; next = this.#answers[0]) {
      if (output.writableLength > UNTAKEN_MAX) {
        output.off('drain', this.#onDrain);
        output.once('drain', this.#onDrain);
        return;
      }
      this.#answers.shift();
      this.#bytes -= this.#open.get(next.call) ?? 0;
      this.#open.delete(next.call);
      output.write(replyFrame(id, next));
    }
  }
}

function replyFrame(id: number, answer: Answer): Buffer {
  try {
    return encodeHostFrame(hostFrame.REPLY, id, answer);
  } catch (error) {
    const value = messageOf(error);
    return encodeHostFrame(hostFrame.REPLY, id, { call: answer.call, ok: false, value });
  }
}

/** Anything can be thrown, also what cannot be shown. */
function messageOf(error: unknown): string {
  try {
    const message: unknown = error instanceof Error ? error.message : String(error);
    return typeof message === 'string' ? message.slice(0, MESSAGE_MAX) : 'an Error';
  } catch {
    return 'something that cannot be shown was thrown';
  }
}
