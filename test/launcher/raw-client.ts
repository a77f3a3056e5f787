/** A launcher and a client of its protocol that does what it is told, right or wrong: it grants no credit, and answers nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { locateLauncher } from '../../src/launcher/locate.ts';
import { decodeResult, type RawResult } from '../../src/launcher/protocol/decode-result.ts';
import { FieldWriter } from '../../src/launcher/protocol/fields.ts';
import {
  encodeHello,
  FRAME_HEADER,
  FrameReader,
  finishFrame,
  frameType,
  rawFrame,
} from '../../src/launcher/protocol/frame.ts';

export interface Heard {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
}

export class RawClient {
  readonly heard: Heard[] = [];
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  readonly #socket: Socket;

  constructor(program: string = locateLauncher().path) {
    const stdio = ['ignore', 'ignore', 'inherit', 'pipe'] as const;
    this.#child = spawn(program, ['serve'], { stdio: [...stdio], env: {}, cwd: '/' });
    this.#socket = this.#child.stdio[3] as Socket;
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? code ?? -1));
    });
    const reader = new FrameReader((type, id, body) => {
      this.heard.push({ type, id, body: Buffer.from(body) });
    });
    this.#socket.on('data', (chunk: Buffer) => reader.push(chunk));
    this.#socket.on('error', () => {});
    this.send(encodeHello());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** From now on nothing of the socket is read, or is again. */
  reads(does: boolean): void {
    if (does) this.#socket.resume();
    else this.#socket.pause();
  }

  send(...frames: Uint8Array[]): void {
    for (const frame of frames) this.#socket.write(frame);
  }

  empty(type: number, id: number): void {
    this.send(rawFrame(type, id));
  }

  record(type: number, id: number, write: (writer: FieldWriter) => void): void {
    const writer = new FieldWriter(FRAME_HEADER);
    write(writer);
    this.send(finishFrame(writer, type, id));
  }

  plan(id: number, bytes: Uint8Array): void {
    this.record(frameType.PLAN, id, (writer) => writer.bytes(1, bytes));
  }

  /** The first answer of that type to that id; undefined where there is none in time. */
  async answer(type: number, id: number, withinMs = 10_000): Promise<Buffer | undefined> {
    const end = Date.now() + withinMs;
    for (;;) {
      const found = this.heard.find((one) => one.type === type && one.id === id);
      if (found !== undefined || Date.now() > end || !this.isAlive) return found?.body;
      await sleep(5);
    }
  }

  async result(id: number, withinMs?: number): Promise<RawResult | undefined> {
    const body = await this.answer(frameType.RESULT, id, withinMs);
    return body === undefined ? undefined : decodeResult(body);
  }

  /** How many bytes of a stream have come. */
  received(type: number, id: number): number {
    const of = this.heard.filter((one) => one.type === type && one.id === id);
    return of.reduce((sum, { body }) => sum + body.length, 0);
  }

  async close(): Promise<number | string> {
    this.#socket.resume();
    this.#socket.end();
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
