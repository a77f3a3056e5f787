/**
 * Whether anything is being asked of a sandbox, for its idle time-out.
 */
export class Activity {
  readonly #idleMs: number | undefined;
  readonly #onIdle: () => void;
  #busy = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param idleMs undefined: never idle */
  constructor(idleMs: number | undefined, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
    this.#rest();
  }

  /** Busy until the promise settles. */
  during<T>(work: Promise<T>): Promise<T> {
    this.begin();
    const end = (): void => this.end();
    work.then(end, end);
    return work;
  }

  begin(): void {
    this.#busy++;
    clearTimeout(this.#timer);
  }

  end(): void {
    this.#busy--;
    this.#rest();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** The same object; each call of a method counts, until what it returns has settled. */
  watch<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          this.begin();
          let result: unknown;
          try {
            result = value.apply(object, args);
          } catch (error) {
            this.end();
            throw error;
          }
          const end = (): void => this.end();
          if (result instanceof Promise) result.then(end, end);
          else end();
          return result;
        };
      },
    });
  }

  #rest(): void {
    if (this.#busy > 0 || this.#stopped || this.#idleMs === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onIdle, this.#idleMs);
    this.#timer.unref();
  }
}
