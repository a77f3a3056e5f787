/**
 * One host process as the library speaks with it, and the watch over it. What the engine inside promises about time is
 * not relied upon: whoever does not answer here is ended from outside.
 *
 * Over 300 lines: queue, channel and watch of one host are one state, and each can end the others.
 */
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { CaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { HOST_PORT } from '../plan/host-policy.ts';
import { HostCalls } from './host-calls.ts';
import {
  type EvaluateMessage,
  encodeHostFrame,
  type HostFrame,
  HostFrameReader,
  hostFrame,
  type JobMessage,
} from './host-frames.ts';
import {
  callOf,
  HOST_FRAME_MAX,
  OUT_OF_MEMORY_EXIT,
  readyOf,
  resultOf,
  writeOf,
} from './host-messages.ts';
import type { Evaluate, EvaluateHooks, HostEvaluated, Standing } from './program.ts';

/** A program that was started behind a wall: what is needed of it here. */
export interface HostGuest {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Rejects when it could not be started. */
  readonly outcome: Promise<Outcome>;
  kill(): void;
  /** To a port of its own loopback. Rejects where it has no network of its own. */
  connect(port: number): Promise<Socket>;
}

/** A host that was started, and what it was started behind. */
export interface StartedHost extends Standing {
  readonly guest: HostGuest;
}

/** The engine's own limits come first; this long after them the host is ended. Milliseconds. */
const GRACE_MS = 100;
const PING_MS = 100;
/** A host whose connection is gone ends within so much, or is ended. Milliseconds. */
const CUT_OFF_MS = 1000;
const STDERR_KEPT = 16 * 1024;
/** Longer no host takes to begin, however much else goes on. */
const START_MS = 60_000;

/** For what nobody waits for any more. */
const DEAF: EvaluateHooks = {
  call: () => Promise.reject(new Error('the caller gave up')),
  write: () => {},
};

interface Pending {
  readonly id: number;
  readonly evaluate: Evaluate;
  readonly hooks: EvaluateHooks;
  readonly resolve: (evaluated: HostEvaluated | 'not-begun') => void;
  readonly reject: (error: unknown) => void;
  /** When it became the one that is evaluated; performance.now(). */
  began: number;
  /** Bytes that it wrote. */
  readonly written: { stdout: number; stderr: number };
  /** Once there was one. */
  calls?: HostCalls;
}

/** Why a host was ended: a clock ran out, its caller gave up, or it said what no host says. */
type Cause = 'wall' | 'cpu' | 'killed' | 'broken';

export class HostProcess {
  /** Settles when it takes evaluations. Rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Settles when nothing is left of it. */
  readonly ended: Promise<void>;
  readonly #guest: HostGuest;
  /** Where frames go to. */
  #output: Writable;
  readonly #programs = new Set<string>();
  /** Numbers of the JOBs that it was sent. */
  readonly #jobs = new Map<string, number>();
  readonly #pending: Pending[] = [];
  readonly #begun = Promise.withResolvers<void>();
  #lastId = 0;
  #evaluations = 0;
  #spent = false;
  #gone = false;
  #stderr = '';
  #cause: Cause | undefined;
  #isMet = false;
  /** PINGs that it has not answered. */
  #pings = 0;
  #watch: NodeJS.Timeout | undefined;
  /** Since when it has not said that it is idle; performance.now(). */
  #silentSince = 0;

  constructor(guest: HostGuest) {
    this.#guest = guest;
    this.ready = this.#begun.promise;
    this.#output = guest.stdin;
    const reader = new HostFrameReader(HOST_FRAME_MAX);
    guest.stdout.on('data', (chunk: Buffer) => this.#read(reader, chunk));
    guest.stdout.on('error', () => this.kill('broken'));
    guest.stderr.on('error', () => {});
    guest.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('latin1')).slice(-STDERR_KEPT);
    });
    guest.stdin.on('error', () => {});
    const late = setTimeout(() => this.kill('broken'), START_MS).unref();
    this.ready.then(
      () => clearTimeout(late),
      () => clearTimeout(late),
    );
    this.ended = guest.outcome.then(
      (outcome) => this.#end({ outcome }),
      (error) => {
        this.#begun.reject(error);
        this.#end({ error });
      },
    );
  }

  /** Evaluations that it was given and has not answered. */
  get load(): number {
    return this.#pending.length;
  }

  get evaluations(): number {
    return this.#evaluations;
  }

  get programs(): number {
    return this.#programs.size;
  }

  /** Of these and their ways of being called. */
  get jobs(): number {
    return this.#jobs.size;
  }

  /** Takes no more. */
  get isSpent(): boolean {
    return this.#spent || this.#gone;
  }

  knows(program: string): boolean {
    return this.#programs.has(program);
  }

  /**
   * One after the other, in the order in which they were given.
   *
   * @returns `not-begun`: the host ended before its turn
   * @throws REQUEST_INVALID for arguments that cannot be copied; what the host went by in the middle
   */
  async evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<HostEvaluated | 'not-begun'> {
    if (this.isSpent) return 'not-begun';
    const id = (this.#lastId + 1) >>> 0;
    const { args, wasm } = evaluate;
    const job = this.#job(evaluate);
    const message: EvaluateMessage = wasm === undefined ? [job, args] : [job, args, wasm];
    const frame = asked(() => encodeHostFrame(hostFrame.EVALUATE, id, message));
    this.#lastId = id;
    this.#evaluations++;
    return await new Promise((resolve, reject) => {
      const written = { stdout: 0, stderr: 0 };
      this.#pending.push({ id, evaluate, hooks, resolve, reject, began: 0, written });
      if (this.#pending.length === 1) this.#begin();
      this.#send(frame);
    });
  }

  /** Ends it, and with it what is being evaluated. */
  kill(cause: Cause = 'killed'): void {
    if (this.#gone) return;
    this.#cause ??= cause;
    this.#spent = true;
    clearTimeout(this.#watch);
    // Whoever waits for its end keeps this process alive.
    this.#watch = setInterval(() => {}, 60_000);
    this.#guest.kill();
  }

  /** Gives up one evaluation: ends the host where it is its turn; else its result will reach nobody. */
  withdraw(hooks: EvaluateHooks): void {
    const index = this.#pending.findIndex((pending) => pending.hooks === hooks);
    const pending = this.#pending[index];
    if (pending === undefined) return;
    if (index === 0) {
      this.kill();
      return;
    }
    pending.resolve({ kind: 'killed', wallMs: 0, cpuMs: 0, memoryBytes: 0 });
    this.#pending[index] = { ...pending, hooks: DEAF, resolve: () => {} };
  }

  /** Lets it come to its end by itself. */
  async close(): Promise<void> {
    this.#spent = true;
    this.#guest.stdin.end();
    await Promise.race([this.ended, delay(GRACE_MS, undefined, { ref: false })]);
    if (!this.#gone) this.#guest.kill();
    await this.ended;
  }

  /** What is the same in many evaluations is sent once. */
  #job({ args: _, wasm: __, program, ...rest }: Evaluate): number {
    const key = program.id + JSON.stringify(rest);
    const known = this.#jobs.get(key);
    if (known !== undefined) return known;
    if (!this.#programs.has(program.id)) {
      this.#send(encodeHostFrame(hostFrame.PROGRAM, 0, program));
      this.#programs.add(program.id);
    }
    const job = this.#jobs.size + 1;
    const message: JobMessage = { ...rest, program: program.id };
    this.#send(encodeHostFrame(hostFrame.JOB, job, message));
    this.#jobs.set(key, job);
    return job;
  }

  #begin(): void {
    const head = this.#pending[0];
    if (head === undefined) {
      clearTimeout(this.#watch);
      this.#watch = undefined;
      return;
    }
    head.began = performance.now();
    this.#silentSince = head.began;
    // One timer for all: it is looked at again when it fires, not set anew for each evaluation.
    this.#watch ??= setTimeout(() => this.#look(), PING_MS);
  }

  #look(): void {
    this.#watch = undefined;
    const head = this.#pending[0];
    if (head === undefined || this.#gone) return;
    const now = performance.now();
    const { wallMs, cpuMs } = head.evaluate;
    const wallLeft = head.began + wallMs + GRACE_MS - now;
    // It answers whenever the guest does not compute: a silence is the guest's computing.
    const cpuLeft = this.#silentSince + cpuMs + GRACE_MS - now;
    if (wallLeft <= 0 || cpuLeft <= 0) {
      this.kill(cpuLeft < wallLeft ? 'cpu' : 'wall');
      return;
    }
    if (this.#pings === 0) {
      this.#pings++;
      this.#send(encodeHostFrame(hostFrame.PING, head.id));
    }
    this.#watch = setTimeout(() => this.#look(), Math.min(PING_MS, wallLeft, cpuLeft) + 1);
  }

  #read(reader: HostFrameReader, chunk: Buffer): void {
    if (this.#gone || this.#cause !== undefined) return;
    try {
      for (const frame of reader.push(chunk)) this.#take(frame);
    } catch {
      // Nothing that it says can be believed any more.
      this.kill('broken');
    }
  }

  #take(frame: HostFrame): void {
    if (frame.type === hostFrame.READY) {
      if (this.#isMet) throw new Error('a second READY');
      this.#isMet = true;
      void this.#meet(readyOf(frame).listening);
      return;
    }
    if (frame.type === hostFrame.PONG) {
      if (this.#pings === 0) throw new Error('a PONG nobody asked for');
      this.#pings--;
      this.#silentSince = performance.now();
      return;
    }
    const head = this.#pending[0];
    if (head === undefined || frame.id !== head.id) throw new Error('a frame nobody asked for');
    if (frame.type === hostFrame.WRITE) this.#write(head, frame);
    else if (frame.type === hostFrame.CALL) this.#call(head, frame);
    else if (frame.type === hostFrame.RESULT || frame.type === hostFrame.VALUE) {
      this.#result(head, frame);
    } else throw new Error(`a frame of type ${frame.type}`);
  }

  /** A connection of its own, where it can be had: frames of the launcher take twice as long. */
  async #meet(listening: boolean): Promise<void> {
    const socket = listening
      ? await this.#guest.connect(HOST_PORT).catch(() => undefined)
      : undefined;
    if (socket !== undefined) {
      const reader = new HostFrameReader(HOST_FRAME_MAX);
      socket.unref();
      socket.on('error', () => {});
      socket.on('close', () => void this.#cutOff());
      socket.on('data', (chunk: Buffer) => this.#read(reader, chunk));
      this.#output = socket;
    }
    this.#begun.resolve();
  }

  /** Mostly because it ended, which its outcome will tell. */
  async #cutOff(): Promise<void> {
    this.#spent = true;
    await Promise.race([this.ended, delay(CUT_OFF_MS, undefined, { ref: this.load > 0 })]);
    this.kill('broken');
  }

  #write({ hooks, written, evaluate }: Pending, frame: HostFrame): void {
    const { stream, bytes } = writeOf(frame);
    written[stream] += bytes.length;
    if (written[stream] > evaluate.outputBytes) throw new Error('more output than is let through');
    hooks.write(stream, bytes);
  }

  #call(head: Pending, frame: HostFrame): void {
    head.calls ??= new HostCalls({
      id: head.id,
      grants: head.evaluate.grants,
      hooks: head.hooks,
      output: this.#output,
    });
    head.calls.take(callOf(frame), frame.body.length);
  }

  #result(head: Pending, frame: HostFrame): void {
    const { evaluated, spent, dropped } = resultOf(frame);
    if (spent) this.#spent = true;
    for (const stream of ['stdout', 'stderr'] as const) {
      if (dropped[stream] > 0) head.hooks.dropped?.(stream, dropped[stream]);
    }
    this.#pending.shift();
    head.calls?.close();
    head.resolve({ ...evaluated, wallMs: performance.now() - head.began });
    if (this.#spent) this.#abandon();
    else this.#begin();
  }

  /** Spent: what is behind the one that was answered goes elsewhere, and this host ends. */
  #abandon(): void {
    clearTimeout(this.#watch);
    for (const { resolve } of this.#pending.splice(0)) resolve('not-begun');
    this.#guest.kill();
  }

  /** @param ending its outcome; an error where it has none */
  #end(ending: { readonly outcome: Outcome } | { readonly error: unknown }): void {
    this.#gone = true;
    clearTimeout(this.#watch);
    const how = 'outcome' in ending ? ending.outcome.kind : String(ending.error);
    this.#begun.reject(neverBegan(this.#stderr.trim() || how));
    const head = this.#pending.shift();
    head?.calls?.close();
    if ('outcome' in ending) head?.resolve(this.#ending(ending.outcome, head));
    else head?.reject(ending.error);
    for (const { resolve } of this.#pending.splice(0)) resolve('not-begun');
  }

  #ending(outcome: Outcome, head: Pending): HostEvaluated {
    const wallMs = performance.now() - head.began;
    const usage = { wallMs, cpuMs: wallMs, memoryBytes: 0 };
    if (this.#cause === 'killed') return { kind: 'killed', ...usage };
    // As for a system call that ends a guest.
    if (this.#cause === 'broken' && outcome.kind === 'killed') {
      return { kind: 'ended', outcome: { ...outcome, kind: 'denied' }, ...usage };
    }
    if (this.#cause === 'wall' || this.#cause === 'cpu')
      return { kind: 'timed-out', clock: this.#cause, ...usage };
    const noMemory =
      outcome.kind === 'out-of-memory' ||
      outcome.code === OUT_OF_MEMORY_EXIT ||
      /out of memory|Allocation failed/i.test(this.#stderr);
    if (noMemory) return { kind: 'out-of-memory', ...usage };
    return { kind: 'ended', outcome, ...usage };
  }

  #send(frame: Buffer): void {
    if (!this.#gone) this.#output.write(frame);
  }
}

/** @throws REQUEST_INVALID for what has no structured clone */
function asked(encode: () => Buffer): Buffer {
  try {
    return encode();
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'backends',
      message: `the arguments cannot be copied: ${(cause as Error).message}`,
      hint: 'hand in data; functions are granted by name',
      cause,
    });
  }
}

/** @param how it ended, or what it said of it */
function neverBegan(how: string): CaissonError {
  return new CaissonError('WALL_UNAVAILABLE', {
    layer: 'backends',
    message: `the host process of the engine did not begin: ${how.split('\n', 3).join(' ').slice(0, 500)}`,
    hint: 'what the policy denies of system calls its hosts lack, too; where memory is limited without a control group, Node cannot reserve what V8 needs: caisson doctor tells how to get one',
  });
}
