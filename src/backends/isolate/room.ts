/**
 * One isolate with one context, and the bridge into it. Everything that the guest does happens in {@link Room.enter}: on
 * this thread, under a time-out, while nothing else goes on here.
 */
import type ivm from 'isolated-vm';
import { type Guest, prelude, type Settled } from './prelude.ts';

const SOURCE = `return (${prelude.toString()})($0, $1, $2, $3)`;
const TIMERS_MAX = 10_000;
/** What computes for less does not change much. */
const MEMORY_STALE_NS = 1_000_000n;

/** What the guest asked for outside of itself. */
export interface RoomHooks {
  write(stream: 'stdout' | 'stderr', text: string): void;
  call(name: string, args: readonly unknown[]): Promise<unknown>;
}

type GuestFunction = ivm.Reference<(...args: never[]) => unknown>;

export class Room {
  readonly isolate: ivm.Isolate;
  readonly context: ivm.Context;
  readonly #guest: ivm.Reference<Guest>;
  readonly #functions = new Map<keyof Guest, GuestFunction>();
  readonly #held: { release(): void }[] = [];
  readonly #timers = new Map<number, NodeJS.Timeout>();
  /** What arrived for the guest while it was not running. */
  readonly #inbox: (() => void)[] = [];
  #hooks: RoomHooks | undefined;
  #calls = 0;
  #settled = false;
  #wake: (() => void) | undefined;
  #timeout = 1;
  #memoryBytes = 0;
  #memoryReadAt = 0n;

  /** @param vm isolated-vm, as it was loaded */
  constructor(vm: typeof ivm, isolate: ivm.Isolate) {
    this.isolate = isolate;
    this.context = isolate.createContextSync();
    const callbacks = [
      (stream: unknown, text: unknown) =>
        this.#hooks?.write(stream === 1 ? 'stderr' : 'stdout', String(text)),
      (id: unknown, name: unknown, args: unknown) =>
        this.#call(Number(id), String(name), Array.isArray(args) ? args : []),
      () => {
        this.#settled = true;
        this.#wake?.();
      },
      (id: unknown, ms: unknown) => this.#timer(Number(id), Number(ms)),
    ].map((callback) => new vm.Callback(callback, { sync: true }));
    this.#guest = this.context.evalClosureSync(SOURCE, callbacks, {
      result: { reference: true },
      filename: 'caisson:prelude',
    }) as ivm.Reference<Guest>;
    // Nearly all need these; the others are looked up when they are.
    this.#function('bind');
    this.#function('invoke');
  }

  /** Of the isolate's heap and what is outside of it, bytes. As it was when the guest computed last for a while. */
  get memoryBytes(): number {
    const { cpuTime } = this.isolate;
    if (this.#memoryBytes === 0 || cpuTime - this.#memoryReadAt >= MEMORY_STALE_NS) {
      const heap = this.isolate.getHeapStatisticsSync();
      this.#memoryBytes = heap.used_heap_size + heap.externally_allocated_size;
      this.#memoryReadAt = cpuTime;
    }
    return this.#memoryBytes;
  }

  /** Whether what was entered last has come to something. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** Whether anything can still happen to a guest that waits. */
  get isWaiting(): boolean {
    return this.#calls > 0 || this.#timers.size > 0 || this.#inbox.length > 0;
  }

  begin(hooks: RoomHooks): void {
    this.#hooks = hooks;
    this.#settled = false;
  }

  /** What still was on its way reaches nobody. */
  end(): void {
    this.#hooks = undefined;
    this.#inbox.length = 0;
    this.#calls = 0;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** @param ms how long the guest may run now, at least 1 @throws what the guest throws; an Error of the time-out */
  enter<T>(ms: number, run: (timeout: number) => T): T {
    this.#timeout = Math.max(1, ms);
    return run(this.#timeout);
  }

  grant(names: readonly string[]): void {
    if (names.length > 0) this.#apply('grant', [[...names]]);
  }

  /** Gives it the namespace of its entry. */
  bind(namespace: ivm.Reference<unknown>): void {
    this.#function('bind').applySync(undefined, [namespace.derefInto() as never], {
      timeout: this.#timeout,
    });
  }

  /** The guest's own `bind`, under a symbol in its globals, for a module that hands over its namespace. */
  exposeBind(symbol: string): void {
    this.context.evalClosureSync(
      'Object.defineProperty(globalThis, Symbol.for($0), { value: (ns) => { delete globalThis[Symbol.for($0)]; $1(ns); }, configurable: true })',
      [symbol, this.#function('bind').derefInto()],
    );
  }

  /** @returns what it came to; undefined while that is pending */
  invoke(name: string, args: readonly unknown[]): Settled | undefined {
    this.#settled = false;
    return this.#apply('invoke', [name, args]) as Settled | undefined;
  }

  take(): Settled | undefined {
    return this.#apply('take', []) as Settled | undefined;
  }

  /** Hands the guest one thing that arrived for it. @returns whether there was one */
  deliver(): boolean {
    const next = this.#inbox.shift();
    next?.();
    return next !== undefined;
  }

  /** Until something arrives, or it is settled. @returns false when the time was up first */
  async wait(ms: number): Promise<boolean> {
    if (this.#settled || this.#inbox.length > 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), Math.max(0, ms));
    this.#wake = () => resolve(true);
    const woken = await promise;
    clearTimeout(timer);
    this.#wake = undefined;
    return woken;
  }

  dispose(): void {
    this.end();
    if (!this.isolate.isDisposed) this.isolate.dispose();
  }

  /** A handle of something inside, which goes with it. */
  hold<T extends { release(): void }>(handle: T): T {
    this.#held.push(handle);
    return handle;
  }

  /** Another context of the same isolate may go on. */
  release(): void {
    this.end();
    if (this.isolate.isDisposed) return;
    // Each of them would keep the context.
    const handles = [...this.#held, ...this.#functions.values(), this.#guest];
    for (const handle of handles) handle.release();
    this.context.release();
  }

  #apply(name: keyof Guest, args: readonly unknown[]): unknown {
    return this.#function(name).applySync(undefined, args as never, {
      arguments: { copy: true },
      result: { copy: true },
      timeout: this.#timeout,
    });
  }

  #function(name: keyof Guest): GuestFunction {
    let found = this.#functions.get(name);
    if (found === undefined) {
      found = this.#guest.getSync(name, { reference: true }) as GuestFunction;
      this.#functions.set(name, found);
    }
    return found;
  }

  #arrive(deliver: () => void): void {
    this.#inbox.push(deliver);
    this.#wake?.();
  }

  #call(id: number, name: string, args: readonly unknown[]): void {
    const hooks = this.#hooks;
    if (hooks === undefined) return;
    this.#calls++;
    const answer = (ok: boolean, value: unknown): void => {
      if (this.#hooks !== hooks) return;
      this.#calls--;
      this.#arrive(() => this.#apply('reply', [id, ok, value]));
    };
    hooks.call(name, args).then(
      (value) => answer(true, value),
      (error: unknown) => answer(false, error instanceof Error ? error.message : String(error)),
    );
  }

  #timer(id: number, ms: number): void {
    if (this.#hooks === undefined) return;
    if (ms < 0) {
      clearTimeout(this.#timers.get(id));
      this.#timers.delete(id);
      return;
    }
    if (this.#timers.size >= TIMERS_MAX) throw new RangeError('too many timers');
    const fire = (): void => {
      this.#timers.delete(id);
      this.#arrive(() => this.#apply('fire', [id]));
    };
    this.#timers.set(id, setTimeout(fire, Math.min(ms, 2 ** 31 - 1)));
  }
}
