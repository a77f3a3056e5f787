/** A host process that is none: what it says is written by a test, on streams of this process. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import {
  encodeHostFrame,
  type HostFrame,
  HostFrameReader,
  hostFrame,
  payloadOf,
} from '../../src/backends/host-frames.ts';
import type { HostGuest } from '../../src/backends/host-process.ts';
import type { Evaluate, EvaluateHooks } from '../../src/backends/program.ts';
import type { Outcome } from '../../src/core/outcome.ts';

export class HostDouble {
  readonly guest: HostGuest;
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  /** Frames of the library, as `frame` events. */
  readonly heard = new EventEmitter();
  isKilled = false;
  readonly #ending = Promise.withResolvers<Outcome>();

  /** @param connect what the library gets where it connects to the host's port; default: it gets nothing */
  constructor(connect?: () => Promise<Socket>) {
    this.guest = {
      stdin: this.stdin,
      stdout: this.stdout,
      stderr: this.stderr,
      outcome: this.#ending.promise,
      kill: () => {
        this.isKilled = true;
        this.end({ kind: 'killed' });
      },
      connect: connect ?? (() => Promise.reject(new Error('nobody listens'))),
    };
    const reader = new HostFrameReader(2 ** 31);
    this.stdin.on('data', (chunk: Buffer) => {
      // As between processes: never before whoever wrote it has gone on.
      for (const frame of reader.push(chunk)) setImmediate(() => this.heard.emit('frame', frame));
    });
  }

  /** Says that it is there, and on each EVALUATE what `answer` says. */
  static answering(answer: (host: HostDouble, id: number, frame: HostFrame) => void): HostDouble {
    const host = new HostDouble();
    host.say(hostFrame.READY, 0, { listening: false });
    host.heard.on('frame', (frame: HostFrame) => {
      if (frame.type === hostFrame.EVALUATE) answer(host, frame.id, frame);
    });
    return host;
  }

  say(type: number, id: number, value?: unknown): void {
    this.stdout.write(encodeHostFrame(type, id, value));
  }

  /** A frame whose body is no serialised value of ours. */
  sayBytes(type: number, id: number, body: Uint8Array): void {
    this.stdout.write(frameOf(type, id, body));
  }

  result(id: number, evaluated: unknown, rest: object = {}): void {
    this.say(hostFrame.RESULT, id, { evaluated, spent: false, dropped: {}, ...rest });
  }

  end(ending: Partial<Outcome>): void {
    this.#ending.resolve(ending as Outcome);
  }

  /** As where the launcher has gone. */
  lose(error: Error): void {
    this.#ending.reject(error);
  }
}

export function frameOf(type: number, id: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32LE(body.length + 5, 0);
  head.writeUInt8(type, 4);
  head.writeUInt32LE(id >>> 0, 5);
  return Buffer.concat([head, body]);
}

export const VALUE = { kind: 'value', value: 42, cpuMs: 1, memoryBytes: 1 };

export function job(changes: Partial<Evaluate> = {}): Evaluate {
  return {
    program: { id: 'p', language: 'javascript', files: { 'main.js': '1' }, entry: 'main.js' },
    export: 'default',
    args: [],
    grants: ['f'],
    keep: 'nothing',
    cpuMs: 200,
    wallMs: 300,
    outputBytes: 1000,
    resultBytes: 2 ** 20,
    ...changes,
  };
}

export const QUIET: EvaluateHooks = { call: async () => 1, write: () => {} };

/** Of a frame of the library. */
export const bodyOf = payloadOf;
