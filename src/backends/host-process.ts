/**
 * One host process as the library speaks with it, and the watch over it. What the engine inside promises about time is
 * not relied upon: whoever does not answer here is ended from outside.
 */
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '../core/outcome.ts';
import { HOST_PORT } from '../plan/host-policy.ts';
import {
  encodeHostFrame,
  type HostFrame,
  HostFrameReader,
  hostFrame,
  payloadOf,
} from './host-frames.ts';
import type {
  Evaluate,
  Evaluated,
  EvaluateHooks,
  GuestError,
  HostEvaluated,
  Standing,
} from './program.ts';

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
const STDERR_KEPT = 16 * 1024;
/** More than any result may have. */
const FRAME_MAX = 65 * 1024 * 1024;
/** What a host's program exits with when V8 has no heap left. */
export const OUT_OF_MEMORY_EXIT = 97;

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
  /** When it became the one that is evaluated; performance.now(). */
  began: number;
}

export class HostProcess {
  /** Settles when it takes evaluations. Rejects when it cannot. */
  readonly ready: Promise<void>;
  /** Settles when nothing is left of it. */
  readonly ended: Promise<void>;
  readonly #guest: HostGuest;
  /** Where frames go to. */
  #output: Writable;
  readonly #programs = new Set<string>();
  readonly #pending: Pending[] = [];
  readonly #begun = Promise.withResolvers<void>();
  #lastId = 0;
  #evaluations = 0;
  #spent = false;
  #gone = false;
  #stderr = '';
  #cause: 'wall' | 'cpu' | 'killed' | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** Since when it has not said that it is idle; performance.now(). */
  #silentSince = 0;

  constructor(guest: HostGuest) {
    this.#guest = guest;
    this.ready = this.#begun.promise;
    this.ready.catch(() => {});
    this.#output = guest.stdin;
    const reader = new HostFrameReader(FRAME_MAX);
    guest.stdout.on('data', (chunk: Buffer) => this.#read(reader, chunk));
    guest.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('latin1')).slice(-STDERR_KEPT);
    });
    guest.stdin.on('error', () => {});
    this.ended = guest.outcome.then(
      (outcome) => this.#end(outcome),
      (error) => {
        this.#begun.reject(error);
        this.#end(undefined);
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

  /** Takes no more. */
  get isSpent(): boolean {
    return this.#spent || this.#gone;
  }

  knows(program: string): boolean {
    return this.#programs.has(program);
  }

  /** One after the other, in the order in which they were given. @returns `not-begun`: the host ended before its turn */
  evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<HostEvaluated | 'not-begun'> {
    return new Promise((resolve) => {
      if (this.isSpent) {
        resolve('not-begun');
        return;
      }
      this.#lastId = (this.#lastId + 1) >>> 0;
      const id = this.#lastId;
      const { program, ...message } = evaluate;
      if (!this.#programs.has(program.id)) {
        this.#programs.add(program.id);
        this.#send(encodeHostFrame(hostFrame.PROGRAM, 0, program));
      }
      this.#evaluations++;
      this.#pending.push({ id, evaluate, hooks, resolve, began: 0 });
      if (this.#pending.length === 1) this.#begin();
      this.#send(encodeHostFrame(hostFrame.EVALUATE, id, { ...message, program: program.id }));
    });
  }

  /** Ends it, and with it what is being evaluated. */
  kill(cause: 'wall' | 'cpu' | 'killed' = 'killed'): void {
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
    this.#send(encodeHostFrame(hostFrame.PING, head.id));
    this.#watch = setTimeout(() => this.#look(), Math.min(PING_MS, wallLeft, cpuLeft) + 1);
  }

  #read(reader: HostFrameReader, chunk: Buffer): void {
    if (this.#gone) return;
    try {
      for (const frame of reader.push(chunk)) this.#take(frame);
    } catch {
      // Nothing that it says can be believed any more.
      this.kill();
    }
  }

  #take(frame: HostFrame): void {
    if (frame.type === hostFrame.READY) {
      const { listening } = (payloadOf(frame) ?? {}) as { listening?: unknown };
      void this.#meet(listening === true);
      return;
    }
    if (frame.type === hostFrame.PONG) {
      this.#silentSince = performance.now();
      return;
    }
    const head = this.#pending[0];
    if (head === undefined || frame.id !== head.id) throw new Error('a frame nobody asked for');
    if (frame.type === hostFrame.WRITE) this.#write(head, payloadOf(frame));
    else if (frame.type === hostFrame.CALL) void this.#call(head, payloadOf(frame));
    else if (frame.type === hostFrame.RESULT) this.#result(head, payloadOf(frame));
    else throw new Error(`a frame of type ${frame.type}`);
  }

  /** A connection of its own, where it can be had: frames of the launcher take twice as long. */
  async #meet(listening: boolean): Promise<void> {
    const socket = listening
      ? await this.#guest.connect(HOST_PORT).catch(() => undefined)
      : undefined;
    if (socket !== undefined) {
      const reader = new HostFrameReader(FRAME_MAX);
      socket.unref();
      socket.on('error', () => this.kill());
      socket.on('data', (chunk: Buffer) => this.#read(reader, chunk));
      this.#output = socket;
    }
    this.#begun.resolve();
  }

  #write({ hooks }: Pending, value: unknown): void {
    const { stream, bytes } = value as { stream?: unknown; bytes?: unknown };
    if ((stream !== 'stdout' && stream !== 'stderr') || !(bytes instanceof Uint8Array)) {
      throw new Error('a malformed WRITE');
    }
    hooks.write(stream, bytes);
  }

  async #call(head: Pending, value: unknown): Promise<void> {
    const { call, name, args } = value as { call?: unknown; name?: unknown; args?: unknown };
    if (typeof call !== 'number' || typeof name !== 'string' || !Array.isArray(args)) {
      throw new Error('a malformed CALL');
    }
    let frame: Buffer;
    try {
      if (!head.evaluate.grants.includes(name)) throw new Error(`${name} is not granted`);
      const answer = await head.hooks.call(name, args);
      frame = encodeHostFrame(hostFrame.REPLY, head.id, { call, ok: true, value: answer });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      frame = encodeHostFrame(hostFrame.REPLY, head.id, { call, ok: false, value: message });
    }
    if (this.#pending[0] === head) this.#send(frame);
  }

  #result(head: Pending, value: unknown): void {
    const { evaluated, spent, dropped } = value as Record<string, unknown>;
    if (!isEvaluated(evaluated)) throw new Error('a malformed RESULT');
    if (spent === true) this.#spent = true;
    for (const stream of ['stdout', 'stderr'] as const) {
      const bytes = (dropped as Record<string, unknown> | undefined)?.[stream];
      if (typeof bytes === 'number' && bytes > 0) head.hooks.dropped?.(stream, bytes);
    }
    this.#pending.shift();
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

  #end(outcome: Outcome | undefined): void {
    this.#gone = true;
    clearTimeout(this.#watch);
    this.#begun.reject(
      new Error(`the host process ended: ${this.#stderr.trim() || outcome?.kind}`),
    );
    const head = this.#pending.shift();
    if (head !== undefined)
      head.resolve(outcome === undefined ? 'not-begun' : this.#ending(outcome, head));
    for (const { resolve } of this.#pending.splice(0)) resolve('not-begun');
  }

  #ending(outcome: Outcome, head: Pending): HostEvaluated {
    const wallMs = performance.now() - head.began;
    const usage = { wallMs, cpuMs: wallMs, memoryBytes: 0 };
    if (this.#cause === 'killed') return { kind: 'killed', ...usage };
    if (this.#cause !== undefined) return { kind: 'timed-out', clock: this.#cause, ...usage };
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

/** Whatever a host sends may be forged: only these shapes go on. */
function isEvaluated(value: unknown): value is Evaluated {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, cpuMs, memoryBytes, fuel, error, code, clock } = value as Record<string, unknown>;
  if (typeof cpuMs !== 'number' || typeof memoryBytes !== 'number') return false;
  if (fuel !== undefined && typeof fuel !== 'bigint') return false;
  if (kind === 'value' || kind === 'out-of-memory') return true;
  if (kind === 'timed-out') return clock === 'wall' || clock === 'cpu' || clock === 'fuel';
  return kind === 'error' && typeof code === 'number' && isGuestError(error);
}

function isGuestError(value: unknown): value is GuestError {
  if (typeof value !== 'object' || value === null) return false;
  const { name, message, stack } = value as Record<string, unknown>;
  const isText = (text: unknown): boolean => text === undefined || typeof text === 'string';
  return typeof name === 'string' && typeof message === 'string' && isText(stack);
}
