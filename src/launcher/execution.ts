/**
 * A run whose output comes as it is written, with input, signals and a terminal.
 * Back-pressure runs the whole way: the launcher reads no further than 256 KiB ahead of what was consumed here.
 */
import { Readable, Writable } from 'node:stream';
import type { Job } from '../plan/plan.ts';
import { abortedError } from './capture-exec.ts';
import type { Channel, Connection } from './channel.ts';
import { launcherError } from './launcher-error.ts';
import { decodeResult, type RawResult } from './protocol/decode-result.ts';
import { FieldWriter } from './protocol/fields.ts';
import {
  decodeNumber,
  FRAME_HEADER,
  finishFrame,
  frameType,
  rawFrame,
  STREAM_WINDOW,
} from './protocol/frame.ts';
import { explain, type Ties } from './ties.ts';

const STDOUT = 1;
const STDERR = 2;

export class Execution implements Channel {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when the run has ended and nothing of it is left. Rejects when it could not be started. */
  readonly result: Promise<RawResult>;
  /** Process id in the host's name space, once the program runs. */
  readonly started: Promise<number>;

  readonly #connection: Connection;
  readonly #id: number;
  readonly #ties: Ties;
  readonly #input: InputGate;
  readonly #output: readonly [OutputGate, OutputGate];
  #ended = false;
  readonly #settle = Promise.withResolvers<RawResult>();
  readonly #start = Promise.withResolvers<number>();
  readonly #onAbort = (): void => this.kill();
  readonly #onDenied = (): void => this.#send(rawFrame(frameType.DENY, this.#id));

  constructor(connection: Connection, id: number, job: Job, ties: Ties) {
    this.#connection = connection;
    this.#id = id;
    this.#ties = ties;
    this.result = this.#settle.promise;
    this.started = this.#start.promise;
    // Nobody has to await both; a failure to start arrives through either.
    this.result.catch(() => {});
    this.started.catch(() => {});
    this.#input = new InputGate((bytes, taken) =>
      this.#send(rawFrame(frameType.STDIN, id, bytes), taken),
    );
    this.#output = [
      new OutputGate((bytes) => this.#credit(STDOUT, bytes)),
      new OutputGate((bytes) => this.#credit(STDERR, bytes)),
    ];
    this.stdin = this.#input.stream;
    this.stdout = this.#output[0].stream;
    this.stderr = this.#output[1].stream;
    if (job.stdin !== 'stream' && job.pty === undefined) this.#input.close();
    ties.signal?.addEventListener('abort', this.#onAbort, { once: true });
    ties.denied?.addEventListener('abort', this.#onDenied, { once: true });
    if (ties.background !== true) connection.hold();
  }

  /** Sends a signal (by number) to the process group of the program. */
  signal(number: number): void {
    const writer = new FieldWriter(FRAME_HEADER);
    writer.i32(1, number, 'signal number');
    this.#send(finishFrame(writer, frameType.SIGNAL, this.#id));
  }

  resize(rows: number, columns: number): void {
    const writer = new FieldWriter(FRAME_HEADER);
    writer.u32(1, rows, 'terminal rows');
    writer.u32(2, columns, 'terminal columns');
    this.#send(finishFrame(writer, frameType.WINSIZE, this.#id));
  }

  /** Ends the whole tree at once. */
  kill(): void {
    this.#send(rawFrame(frameType.KILL, this.#id));
  }

  frame(type: number, body: Buffer): void {
    switch (type) {
      case frameType.STARTED:
        this.#start.resolve(decodeNumber(body));
        this.#input.open();
        break;
      case frameType.STDOUT:
        this.#output[0].arrive(body);
        break;
      case frameType.STDERR:
        this.#output[1].arrive(body);
        break;
      case frameType.STDIN_CREDIT:
        this.#input.credit(decodeNumber(body));
        break;
      case frameType.RESULT:
        this.#finish(body);
        break;
      case frameType.ERROR:
        explain(launcherError(body, this.#ties), this.#ties.planned, (why) => this.gone(why));
        break;
      default:
        break;
    }
  }

  gone(error: Error): void {
    if (!this.#end()) return;
    this.#settle.reject(error);
    this.#start.reject(error);
  }

  #finish(body: Buffer): void {
    if (!this.#end()) return;
    this.#start.resolve(0);
    const { signal } = this.#ties;
    if (signal?.aborted === true) {
      this.#settle.reject(abortedError(signal));
      return;
    }
    try {
      this.#settle.resolve(decodeResult(body));
    } catch (error) {
      this.#settle.reject(error);
    }
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#connection.detach(this.#id);
    if (this.#ties.background !== true) this.#connection.release();
    this.#ties.signal?.removeEventListener('abort', this.#onAbort);
    this.#ties.denied?.removeEventListener('abort', this.#onDenied);
    this.#input.close();
    for (const gate of this.#output) gate.finish();
    return true;
  }

  #credit(stream: number, bytes: number): void {
    const writer = new FieldWriter(FRAME_HEADER, 'INTERNAL', 64);
    writer.u32(1, stream, 'stream');
    writer.u32(2, bytes, 'credit');
    this.#send(finishFrame(writer, frameType.CREDIT, this.#id));
  }

  #send(frame: Buffer, taken?: () => void): void {
    if (!this.#ended) this.#connection.send(frame, taken);
  }
}

/** Frames in, a Readable out; grants credit only for what the reader has taken. */
class OutputGate {
  readonly stream: Readable;
  readonly #queue: Buffer[] = [];
  readonly #grant: (bytes: number) => void;
  #owed = 0;
  #wanted = false;
  #finished = false;

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
    this.stream = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        this.#wanted = true;
        this.#flow();
      },
      destroy: (error, done) => {
        // Nobody reads any more: let the guest write on, into nothing.
        for (const chunk of this.#queue.splice(0)) this.#consumed(chunk.length);
        done(error);
      },
    });
  }

  arrive(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.stream.destroyed) {
      this.#consumed(chunk.length);
      return;
    }
    this.#queue.push(chunk);
    this.#flow();
  }

  finish(): void {
    this.#finished = true;
    this.#flow();
  }

  /** Several pieces at once: each grant wakes the launcher. */
  #consumed(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < STREAM_WINDOW / 4) return;
    const owed = this.#owed;
    this.#owed = 0;
    this.#grant(owed);
  }

  #flow(): void {
    while (this.#wanted) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) break;
      // Granted before it is pushed: a reader inside push() may end everything.
      if (!this.#finished) this.#consumed(chunk.length);
      this.#wanted = this.stream.push(chunk);
    }
    if (this.#finished && this.#queue.length === 0 && !this.stream.destroyed)
      this.stream.push(null);
  }
}

/**
 * A Writable in, frames out; sends at most the window ahead of what the guest has drained, once the program runs. One frame
 * at a time waits for the socket, whose other end everybody shares: the window counts bytes, and a frame may have one.
 */
class InputGate {
  readonly stream: Writable;
  readonly #send: (bytes: Uint8Array, taken: () => void) => void;
  #window = STREAM_WINDOW;
  #isOpen = false;
  #isSending = false;
  #last: (() => void) | undefined;
  #waiting: { rest: Buffer; done: () => void } | undefined;

  constructor(send: (bytes: Uint8Array, taken: () => void) => void) {
    this.#send = send;
    this.stream = new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        this.#waiting = { rest: chunk, done };
        this.#flow();
      },
      final: (done) => {
        this.#last = done;
        this.#flow();
      },
    });
    // Input to a guest that has ended fails through the write's own callback; it must not end the caller.
    this.stream.on('error', () => {});
  }

  open(): void {
    this.#isOpen = true;
    this.#flow();
  }

  credit(bytes: number): void {
    this.#window += bytes;
    this.#flow();
  }

  close(): void {
    this.#waiting = undefined;
    this.stream.destroy();
  }

  #flow(): void {
    if (!this.#isOpen || this.#isSending) return;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      const last = this.#last;
      this.#last = undefined;
      if (last !== undefined) this.#send(new Uint8Array(0), last);
      return;
    }
    if (waiting.rest.length === 0) {
      this.#waiting = undefined;
      waiting.done();
      return;
    }
    if (this.#window === 0) return;
    const size = Math.min(waiting.rest.length, this.#window);
    const piece = waiting.rest.subarray(0, size);
    this.#window -= size;
    waiting.rest = waiting.rest.subarray(size);
    this.#isSending = true;
    this.#send(piece, () => {
      this.#isSending = false;
      this.#flow();
    });
  }
}
