/**
 * Evaluates JavaScript in V8 isolates of this process. It holds guests to their time and heap as well as V8 lets it; what
 * gets past that (memory that V8 does not count, loops that it does not interrupt, a fault in V8) the host process around
 * it and the watch on that process are for.
 */
import type ivm from 'isolated-vm';
import type { OwnMemory } from '../own-memory.ts';
import type {
  Engine,
  Evaluate,
  Evaluated,
  EvaluateHooks,
  GuestError,
  Program,
} from '../program.ts';
import { EvaluationClock } from './clock.ts';
import { compileOnly, load, Sources } from './load.ts';
import type { Settled } from './prelude.ts';
import { Room } from './room.ts';
import { GuestFault } from './source.ts';

const MiB = 2 ** 20;
/** V8 needs as much for an isolate with a context. */
const LEAST_MB = 8;
/** An isolate with a context and nothing in it. */
const ISOLATE_BYTES = 1.25 * MiB;
/** All that is kept beside what is evaluated: more would be taken from a guest that has its whole limit left. */
const KEPT_BYTES = 24 * MiB;
const MUCH_BYTES = 4 * MiB;
/** Of something that is kept: asking each time would cost it more than it takes from others. */
const MUCH_KEPT_BYTES = 16 * MiB;
/** Contexts of one isolate, one after the other: their garbage is as large as 12 MiB then. */
const CONTEXTS_EACH = 32;

export interface IsolateEngineOptions {
  /** isolated-vm, as it was loaded. */
  readonly ivm: typeof ivm;
  /** Heap of each isolate, bytes. */
  readonly memoryBytes: number;
  /** Of a process that has nothing but this engine. */
  readonly memory?: OwnMemory;
  /** V8 cannot go on; nothing here can be used any more. */
  readonly onCatastrophe?: (message: string) => void;
}

/** What is kept of a program. */
interface Kept {
  readonly sources: Sources;
  readonly snapshot: ivm.ExternalCopy<ArrayBuffer> | undefined;
  /** Keep `isolate`: contexts are made in it, the next one ahead. */
  isolate: ivm.Isolate | undefined;
  /** Made in `isolate`, which gives back what they had only when V8 sees fit. */
  contexts: number;
  next: Room | undefined;
  /** Keep `context`. */
  room: Room | undefined;
  /** That it holds while it is not evaluated. */
  bytes: number;
}

export class IsolateEngine implements Engine {
  readonly #options: IsolateEngineOptions;
  readonly #programs = new Map<string, Kept>();
  /** Rooms that have their program in them. */
  readonly #loaded = new WeakSet<Room>();
  #spare: Room | undefined;
  /** What the next evaluation needs if it is like the last one. */
  #prepare = (): void => this.#prepareSpare();
  /** Takes down what the last evaluation has left: nobody needs to wait for that. */
  #clear: (() => void) | undefined;
  #spent = false;
  /** The last one left so much that it is looked after at once. */
  #hasMuch = false;

  constructor(options: IsolateEngineOptions) {
    this.#options = options;
  }

  get isSpent(): boolean {
    return this.#spent;
  }

  idle(): void {
    this.#clear?.();
    try {
      if (!this.#spent) this.#prepare();
    } catch {
      // An isolate that has no room for it: whoever is next is told.
    }
  }

  close(): void {
    this.#clear?.();
    this.#spare?.dispose();
    for (const kept of this.#programs.values()) release(kept);
    this.#programs.clear();
  }

  async evaluate(evaluate: Evaluate, hooks: EvaluateHooks): Promise<Evaluated> {
    this.#clear?.();
    this.#settle(evaluate);
    const clock = new EvaluationClock(evaluate);
    let room: Room | undefined;
    let left: Pick<Evaluated, 'cpuMs' | 'memoryBytes'> = { cpuMs: 0, memoryBytes: 0 };
    try {
      const kept = this.#kept(evaluate.program);
      room = this.#room(kept, evaluate.keep);
      clock.watch(room.isolate);
      if (evaluate.compileOnly === true) {
        compileOnly(room, kept.sources);
        return { kind: 'value', value: undefined, ...usageOf(room, clock) };
      }
      room.begin({ call: granted(evaluate.grants, hooks), write: hooks.write });
      if (evaluate.grants.length > 0) {
        room.enter(clock.left, () => (room as Room).grant(evaluate.grants));
      }
      if (!this.#loaded.has(room)) {
        await this.#load(room, kept.sources, clock);
        this.#loaded.add(room);
      }
      const settled = await this.#invoke(room, evaluate, clock);
      left = usageOf(room, clock);
      return settled[0] === 'value'
        ? { kind: 'value', value: settled[1], ...left }
        : { kind: 'error', error: ofGuest(settled[1]), code: 1, ...left };
    } catch (error) {
      if (room !== undefined) left = usageOf(room, clock);
      return { ...this.#ending(error, room, clock), ...left };
    } finally {
      this.#leave(room, evaluate, left.memoryBytes);
    }
  }

  /** What was kept for others goes before it is missing to this one. */
  #settle({ program, keep }: Evaluate): void {
    const { memory } = this.#options;
    if (memory === undefined) return;
    const letGo = (): void => {
      this.#spare?.dispose();
      this.#spare = undefined;
      for (const [id, kept] of this.#programs) {
        if (id !== program.id || keep !== 'context') release(kept);
      }
    };
    const isWell = this.#hasMuch ? memory.settle(letGo) : memory.settleSometimes(letGo);
    this.#hasMuch = false;
    // More has stayed than should: this one still finds its room, the next one finds it in another host.
    if (!isWell) this.#spent = true;
  }

  async #load(room: Room, sources: Sources, clock: EvaluationClock): Promise<void> {
    const again = room.enter(clock.left, (timeout) => load(room, sources, timeout));
    while (!room.isSettled) {
      await this.#turn(room, clock);
      if (!room.isSettled) room.enter(clock.left, again);
    }
  }

  async #invoke(room: Room, evaluate: Evaluate, clock: EvaluationClock): Promise<Settled> {
    const { left } = clock;
    if (left === 0) throw new TimeUp();
    const first = copied(room, clock, left, () => room.invoke(evaluate.export, evaluate.args));
    if (first !== undefined) return first;
    while (!room.isSettled) await this.#turn(room, clock);
    const settled = copied(room, clock, clock.left, () => room.take());
    if (settled === undefined) throw new Unsettled();
    return settled;
  }

  /** Lets one thing happen to a guest that waits. @throws Unsettled where nothing can */
  async #turn(room: Room, clock: EvaluationClock): Promise<void> {
    if (!room.isWaiting) throw new Unsettled();
    if (!(await room.wait(clock.wallLeft)) || clock.left === 0) throw new TimeUp();
    room.enter(clock.left, () => room.deliver());
  }

  #kept(program: Program): Kept {
    let kept = this.#programs.get(program.id);
    if (kept === undefined) {
      kept = {
        sources: new Sources(program),
        snapshot: snapshotOf(this.#options.ivm, program),
        isolate: undefined,
        contexts: 0,
        next: undefined,
        room: undefined,
        bytes: 0,
      };
    }
    // What was used last is forgotten last.
    this.#programs.delete(program.id);
    this.#programs.set(program.id, kept);
    return kept;
  }

  #room(kept: Kept, keep: Evaluate['keep']): Room {
    this.#dropKept(kept);
    if (keep === 'context') {
      // One whose program failed while it was loaded is not what the next one expects.
      if (kept.room !== undefined && !this.#loaded.has(kept.room)) {
        kept.room.dispose();
        kept.room = undefined;
      }
      kept.room ??= this.#fresh(kept);
      return kept.room;
    }
    if (keep === 'nothing') return this.#fresh(kept);
    if (kept.contexts >= CONTEXTS_EACH) release(kept);
    const isolate = kept.isolate ?? this.#isolate(kept.snapshot);
    kept.isolate = isolate;
    kept.contexts++;
    this.#prepare = () => {
      if (kept.isolate === isolate) kept.next ??= new Room(this.#options.ivm, isolate);
    };
    const room = kept.next ?? new Room(this.#options.ivm, isolate);
    kept.next = undefined;
    return room;
  }

  #prepareSpare(): void {
    this.#spare ??= this.#newRoom(undefined);
  }

  #fresh(kept: Kept): Room {
    this.#prepare = () => kept.snapshot === undefined && this.#prepareSpare();
    const spare = this.#spare;
    if (kept.snapshot !== undefined || spare === undefined) {
      return this.#newRoom(kept.snapshot);
    }
    this.#spare = undefined;
    return spare;
  }

  #newRoom(snapshot: ivm.ExternalCopy<ArrayBuffer> | undefined): Room {
    return new Room(this.#options.ivm, this.#isolate(snapshot));
  }

  #isolate(snapshot: ivm.ExternalCopy<ArrayBuffer> | undefined): ivm.Isolate {
    const { ivm: vm, memoryBytes } = this.#options;
    return new vm.Isolate({
      memoryLimit: Math.max(LEAST_MB, Math.ceil(memoryBytes / MiB)),
      onCatastrophicError: (message) => {
        this.#spent = true;
        this.#options.onCatastrophe?.(message);
      },
      ...(snapshot === undefined ? {} : { snapshot }),
    });
  }

  #leave(room: Room | undefined, { keep, program }: Evaluate, memoryBytes: number): void {
    if (room === undefined) return;
    room.end();
    this.#hasMuch = memoryBytes > (keep === 'nothing' ? MUCH_BYTES : MUCH_KEPT_BYTES);
    const kept = this.#programs.get(program.id);
    if (kept !== undefined && keep !== 'nothing') kept.bytes = memoryBytes + ISOLATE_BYTES;
    if (this.#spent) room.dispose();
    else if (keep !== 'context')
      this.#later(() => (keep === 'nothing' ? room.dispose() : room.release()));
    if (!this.#spent) return;
    if (kept !== undefined) release(kept);
    this.#programs.delete(program.id);
  }

  #later(clear: () => void): void {
    this.#clear = () => {
      this.#clear = undefined;
      clear();
    };
  }

  /** What an exception says of how it ended; the engine is spent where a limit was hit. */
  #ending(error: unknown, room: Room | undefined, clock: EvaluationClock): Ending {
    if (room?.isolate.isDisposed === true) {
      this.#spent = true;
      return { kind: 'out-of-memory' };
    }
    if (error instanceof TimeUp || (room !== undefined && clock.left === 0)) {
      this.#spent = true;
      return { kind: 'timed-out', clock: clock.nearest };
    }
    if (error instanceof GuestFault) {
      this.#spent ||= error.isFatal;
      return { kind: 'error', error: error.guest, code: 1 };
    }
    if (error instanceof Unsettled) {
      return { kind: 'error', error: { name: 'Unsettled', message: error.message }, code: 13 };
    }
    return { kind: 'error', error: ofGuest(error), code: 1 };
  }

  /** What was used longest ago goes first. */
  #dropKept(current: Kept): void {
    const others = [...this.#programs.values()].filter(
      (kept) => kept !== current && kept.bytes > 0,
    );
    let bytes = others.reduce((sum, kept) => sum + kept.bytes, 0);
    for (const kept of others) {
      if (bytes <= KEPT_BYTES) return;
      bytes -= kept.bytes;
      release(kept);
    }
  }
}

type Ending =
  | Pick<Extract<Evaluated, { kind: 'error' }>, 'kind' | 'error' | 'code'>
  | Pick<Extract<Evaluated, { kind: 'timed-out' }>, 'kind' | 'clock'>
  | Pick<Extract<Evaluated, { kind: 'out-of-memory' }>, 'kind'>;

class TimeUp extends Error {}

/** As Node ends with 13 for a top-level await that never settles. */
class Unsettled extends Error {
  override readonly message =
    'it waits for a promise that nothing can settle: no call of a host function and no timer is pending';
}

/** What the guest throws comes as a value: what is thrown here is that its result cannot be copied. */
function copied<T>(room: Room, clock: EvaluationClock, left: number, take: () => T): T {
  try {
    return room.enter(left, take);
  } catch (error) {
    if (room.isolate.isDisposed || clock.left === 0) throw error;
    const { message } = error as Error;
    throw new GuestFault({
      name: 'DataCloneError',
      message:
        message === 'illegal access'
          ? 'the result has a getter or a Proxy, which cannot be copied'
          : `the result cannot be copied: ${message}`,
    });
  }
}

/** Only what the evaluation was granted, whatever the guest asks for. */
function granted(grants: readonly string[], hooks: EvaluateHooks): EvaluateHooks['call'] {
  return (name, args) =>
    grants.includes(name)
      ? hooks.call(name, args)
      : Promise.reject(new Error(`${name} is not granted`));
}

function snapshotOf(
  vm: typeof ivm,
  { libraries }: Program,
): ivm.ExternalCopy<ArrayBuffer> | undefined {
  if (libraries === undefined || libraries.length === 0) return undefined;
  return vm.Isolate.createSnapshot(
    libraries.map(({ name, source }) => ({ code: source, filename: name })),
  );
}

function release(kept: Kept): void {
  kept.room?.dispose();
  if (kept.isolate !== undefined && !kept.isolate.isDisposed) kept.isolate.dispose();
  kept.room = undefined;
  kept.isolate = undefined;
  kept.contexts = 0;
  kept.next = undefined;
  kept.bytes = 0;
}

function usageOf(room: Room, clock: EvaluationClock): Pick<Evaluated, 'cpuMs' | 'memoryBytes'> {
  const cpuMs = clock.cpu;
  if (room.isolate.isDisposed) return { cpuMs, memoryBytes: 0 };
  return { cpuMs, memoryBytes: room.memoryBytes };
}

/** Lines of ours say nothing to whoever wrote the guest. */
function ofGuest(thrown: unknown): GuestError {
  if (typeof thrown !== 'object' || thrown === null) {
    return { name: 'Uncaught', message: String(thrown) };
  }
  const { name, message, stack } = thrown as { name?: unknown; message?: unknown; stack?: unknown };
  const lines = typeof stack === 'string' ? stack.split('\n') : [];
  const boundary = lines.findIndex((line) => line.includes('(<isolated-vm boundary>)'));
  const shown = (boundary < 0 ? lines : lines.slice(0, boundary)).filter(
    (line) => !/caisson:(prelude|entry)/.test(line),
  );
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : '',
    ...(shown.length === 0 ? {} : { stack: shown.join('\n') }),
  };
}
