/**
 * The inside of a host process: takes evaluations from standard input, one after the other, and answers on standard
 * output. It stands behind a wall and is expendable.
 */
import { writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import {
  type EvaluateMessage,
  encodeHostFrame,
  type HostFrame,
  HostFrameReader,
  hostFrame,
  isFlat,
  type JobMessage,
  payloadOf,
} from './host-frames.ts';
import { CALL_BYTES_MAX, CALLS_MAX, WRITE_MAX } from './host-messages.ts';
import type { Engine, Evaluate, Evaluated, EvaluateHooks, Program } from './program.ts';

/** Our caller is trusted; this only keeps a broken stream from being waited for. */
const FRAME_MAX = 2 ** 31;

/**
 * Returns when whoever started it has gone. Until somebody connects to `port` it is spoken with over the standard streams;
 * the launcher carries these, and a connection is twice as quick.
 *
 * @param port of its loopback
 */
export async function serveHost(engine: Engine, port: number): Promise<void> {
  const server = createServer();
  const listening = await listens(server, port);
  let send: Send = sendOut;
  const host = new Host(engine, (frame) => send(frame));
  server.once('connection', (socket) => {
    server.close();
    socket.setNoDelay(true);
    socket.on('error', () => process.exit(1));
    send = (frame) => void socket.write(frame);
    const reader = new HostFrameReader(FRAME_MAX);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) host.take(frame);
    });
  });
  sendOut(encodeHostFrame(hostFrame.READY, 0, { listening }));
  const reader = new HostFrameReader(FRAME_MAX);
  for await (const chunk of process.stdin) {
    for (const frame of reader.push(chunk)) host.take(frame);
  }
  engine.close();
}

type Send = (frame: Buffer) => void;
type Job = Omit<Evaluate, 'args' | 'wasm'>;

/** Not where its network is the host's own, and somebody has that port. */
function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}

class Host {
  readonly #engine: Engine;
  readonly #send: Send;
  readonly #programs = new Map<string, Program>();
  readonly #jobs = new Map<number, Job>();
  readonly #calls = new Map<number, OpenCall>();
  /** That the arguments of open calls have. */
  #callBytes = 0;
  readonly #queue: { id: number; message: EvaluateMessage }[] = [];
  #lastCall = 0;
  #busy = false;

  constructor(engine: Engine, send: Send) {
    this.#engine = engine;
    this.#send = send;
    engine.idle();
  }

  take(frame: HostFrame): void {
    if (frame.type === hostFrame.PING) this.#send(encodeHostFrame(hostFrame.PONG, frame.id));
    else if (frame.type === hostFrame.PROGRAM) {
      const program = payloadOf(frame) as Program;
      this.#programs.set(program.id, program);
    } else if (frame.type === hostFrame.JOB) {
      const message = payloadOf(frame) as JobMessage;
      const program = this.#programs.get(message.program) as Program;
      this.#jobs.set(frame.id, { ...message, program });
    } else if (frame.type === hostFrame.REPLY) this.#reply(payloadOf(frame) as Reply);
    else if (frame.type === hostFrame.EVALUATE) {
      this.#queue.push({ id: frame.id, message: payloadOf(frame) as EvaluateMessage });
      if (!this.#busy) void this.#work();
    }
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#evaluate(next.id, next.message);
    }
    this.#busy = false;
    // Not before what was asked meanwhile has been read.
    setImmediate(() => this.#busy || this.#engine.idle());
  }

  async #evaluate(id: number, [number, args, wasm]: EvaluateMessage): Promise<void> {
    const job = this.#jobs.get(number) as Job;
    const output = new Output(id, job.outputBytes, this.#send);
    const hooks: EvaluateHooks = {
      call: (name, args) => this.#call(id, name, args),
      write: (stream, text) => output.write(stream, text),
    };
    const evaluate: Evaluate = wasm === undefined ? { ...job, args } : { ...job, args, wasm };
    const evaluated = await this.#engine.evaluate(evaluate, hooks);
    this.#calls.clear();
    this.#callBytes = 0;
    const { dropped } = output;
    const rest = { spent: this.#engine.isSpent, dropped };
    this.#send(resultFrame(id, evaluated, job.resultBytes, rest));
  }

  #call(id: number, name: string, args: readonly unknown[]): Promise<unknown> {
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const frame = readable(encodeHostFrame(hostFrame.CALL, id, { call, name, args }));
      if (this.#calls.size >= CALLS_MAX || this.#callBytes + frame.length > CALL_BYTES_MAX) {
        throw new RangeError(
          'too many calls of host functions are open, or their arguments too large',
        );
      }
      this.#callBytes += frame.length;
      this.#calls.set(call, { resolve, reject, bytes: frame.length });
      this.#send(frame);
    });
  }

  #reply({ call, ok, value }: Reply): void {
    const waiting = this.#calls.get(call);
    if (waiting === undefined) return;
    this.#calls.delete(call);
    this.#callBytes -= waiting.bytes;
    if (ok) waiting.resolve(value);
    else waiting.reject(new Error(String(value)));
  }
}

interface OpenCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly bytes: number;
}

interface Reply {
  readonly call: number;
  readonly ok: boolean;
  readonly value: unknown;
}

interface Rest {
  readonly spent: boolean;
  readonly dropped: { readonly stdout: number; readonly stderr: number };
}

function resultFrame(id: number, evaluated: Evaluated, max: number, rest: Rest): Buffer {
  const { cpuMs, memoryBytes } = evaluated;
  const { stdout, stderr } = rest.dropped;
  const isShort =
    evaluated.kind === 'value' &&
    evaluated.fuel === undefined &&
    !rest.spent &&
    stdout + stderr === 0;
  const failed = (name: string, message: string): Buffer =>
    encodeHostFrame(hostFrame.RESULT, id, {
      ...rest,
      evaluated: { kind: 'error', error: { name, message }, code: 1, cpuMs, memoryBytes },
    });
  try {
    const frame = isShort
      ? encodeHostFrame(hostFrame.VALUE, id, [cpuMs, memoryBytes, evaluated.value])
      : encodeHostFrame(hostFrame.RESULT, id, { ...rest, evaluated });
    const bytes = frame.length - RESULT_OVERHEAD;
    return bytes <= max
      ? isShort && isFlat(evaluated.value)
        ? frame
        : readable(frame)
      : failed('RangeError', `the result has about ${bytes} bytes, and ${max} are the most`);
  } catch (error) {
    return failed('DataCloneError', `the result cannot be copied: ${(error as Error).message}`);
  }
}

/**
 * Node leaves out what it cannot write of some values (modules of WebAssembly), and the whole cannot be read any more.
 *
 * @throws Error
 */
function readable(frame: Buffer): Buffer {
  if (frame.length > READ_AGAIN_MAX) return frame;
  const [read] = new HostFrameReader(frame.length).push(frame);
  payloadOf(read as HostFrame);
  return frame;
}

/** Of more nobody wants to pay for a second copy. */
const READ_AGAIN_MAX = 2 ** 20;

/** What a RESULT has beside its value, bytes. */
const RESULT_OVERHEAD = 256;

/** What the guest says, of each stream so many bytes. */
class Output {
  readonly dropped = { stdout: 0, stderr: 0 };
  readonly #id: number;
  readonly #left: { stdout: number; stderr: number };
  readonly #send: Send;

  constructor(id: number, max: number, send: Send) {
    this.#id = id;
    this.#send = send;
    this.#left = { stdout: max, stderr: max };
  }

  write(stream: 'stdout' | 'stderr', text: string | Uint8Array): void {
    const bytes = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text);
    const kept = bytes.subarray(0, this.#left[stream]);
    this.#left[stream] -= kept.length;
    this.dropped[stream] += bytes.length - kept.length;
    for (let from = 0; from < kept.length; from += WRITE_MAX) {
      const piece = kept.subarray(from, from + WRITE_MAX);
      this.#send(encodeHostFrame(hostFrame.WRITE, this.#id, { stream, bytes: piece }));
    }
  }
}

/** Standard output is a pipe that the launcher empties: written at once and whole. */
function sendOut(frame: Buffer): void {
  for (let from = 0; from < frame.length; ) {
    try {
      from += writeSync(1, frame, from);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
