/**
 * The part of the engine that lives in the guest's own realm: its console, its timers, the way in and the way out.
 *
 * Sent as source and run before anything of the guest's. It guards nothing: a guest that bends it bends its own results,
 * and the engine takes whatever comes out of here for the guest's word. Refers to nothing outside of itself.
 */

/** Functions of the engine, as they appear in the guest's realm: arguments and results are copied. */
export interface Bridge {
  write(stream: 0 | 1, text: string): void;
  call(id: number, name: string, args: unknown[]): void;
  /** The entry, or what was returned by it, has settled. */
  settled(): void;
  timer(id: number, ms: number): void;
}

/** tag, what it came to; `undefined` while it is pending. */
export type Settled = [tag: 'value', value: unknown] | [tag: 'error', error: ThrownInGuest];

export interface ThrownInGuest {
  name: string;
  message: string;
  stack: string;
}

/** The engine's way in. */
export interface Guest {
  /** Takes the namespace of the entry module. */
  bind(namespace: Record<string, unknown>): void;
  /** @returns undefined where it is pending: `take` has it after `settled` */
  invoke(name: string, args: unknown[]): Settled | undefined;
  take(): Settled | undefined;
  reply(id: number, ok: boolean, value: unknown): void;
  fire(id: number): void;
  grant(names: string[]): void;
}

export function prelude(
  write: Bridge['write'],
  call: Bridge['call'],
  settled: Bridge['settled'],
  timer: Bridge['timer'],
): Guest {
  const realm = globalThis as Record<string, unknown>;
  const { apply } = Reflect;
  const { stringify } = JSON;
  const then = Promise.prototype.then;
  let namespace: Record<string, unknown> = {};
  let outcome: Settled | undefined;
  let lastId = 0;
  const waiting = new Map<number, { resolve: (v: unknown) => void; reject: (e: Error) => void }>();
  const timers = new Map<number, () => void>();

  function define(object: object, name: string, value: unknown): void {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }

  function show(value: unknown, depth: number, seen: unknown[]): string {
    if (typeof value === 'string') return depth === 0 ? value : stringify(value);
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return `[Function: ${value.name || '(anonymous)'}]`;
    if (typeof value === 'symbol' || value === null || typeof value !== 'object') {
      return String(value);
    }
    if (value instanceof Error) return String(value.stack ?? value);
    if (value instanceof Date) return value.toJSON() ?? 'Invalid Date';
    if (value instanceof RegExp) return String(value);
    if (seen.includes(value)) return '[Circular]';
    if (depth > 3) return Array.isArray(value) ? '[Array]' : '[Object]';
    const inside = [...seen, value];
    const each = (items: unknown[]): string[] =>
      items.slice(0, 100).map((item) => show(item, depth + 1, inside));
    const list = (open: string, items: string[], count: number, close: string): string => {
      if (count === 0) return open + close;
      const more = count > items.length ? [`... ${count - items.length} more`] : [];
      return `${open} ${[...items, ...more].join(', ')} ${close}`;
    };
    if (Array.isArray(value)) return list('[', each(value), value.length, ']');
    if (value instanceof Set) return list('Set {', each([...value]), value.size, '}');
    if (value instanceof Map) {
      const items = [...value].slice(0, 100).map(([k, v]) => {
        return `${show(k, depth + 1, inside)} => ${show(v, depth + 1, inside)}`;
      });
      return list('Map {', items, value.size, '}');
    }
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      const items = Array.from(value as unknown as ArrayLike<number>);
      return list(`${value.constructor.name} [`, each(items), items.length, ']');
    }
    const keys = Object.keys(value);
    const items = keys.slice(0, 100).map((key) => {
      const shown = /^[A-Za-z_$][\w$]*$/.test(key) ? key : stringify(key);
      return `${shown}: ${show((value as Record<string, unknown>)[key], depth + 1, inside)}`;
    });
    return list('{', items, keys.length, '}');
  }

  function line(stream: 0 | 1): (...args: unknown[]) => void {
    return (...args) => {
      let text: string;
      try {
        text = args.map((arg) => show(arg, 0, [])).join(' ');
      } catch (error) {
        text = `[cannot be shown: ${String(error)}]`;
      }
      write(stream, `${text}\n`);
    };
  }

  const out = line(0);
  const err = line(1);
  define(realm, 'console', {
    log: out,
    info: out,
    debug: out,
    warn: err,
    error: err,
    trace: err,
    assert: (ok: unknown, ...args: unknown[]) => {
      if (!ok) err('Assertion failed', ...args);
    },
  });
  define(realm, 'queueMicrotask', (job: () => void) => {
    if (typeof job !== 'function') throw new TypeError('queueMicrotask: a function is expected');
    apply(then, Promise.resolve(), [() => job()]);
  });
  define(realm, 'setTimeout', (job: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    if (typeof job !== 'function') throw new TypeError('setTimeout: a function is expected');
    const id = ++lastId;
    timers.set(id, () => job(...args));
    timer(id, Number(ms) || 0);
    return id;
  });
  define(realm, 'clearTimeout', (id: number) => {
    if (timers.delete(id)) timer(id, -1);
  });

  function describe(thrown: unknown): ThrownInGuest {
    const text = (read: () => unknown): string => {
      try {
        const value = read();
        return typeof value === 'string' ? value.slice(0, 64 * 1024) : '';
      } catch {
        return '';
      }
    };
    if (thrown instanceof Error) {
      return {
        name: text(() => thrown.name) || 'Error',
        message: text(() => thrown.message),
        stack: text(() => thrown.stack),
      };
    }
    const message = text(() => show(thrown, 1, []));
    return { name: 'Uncaught', message, stack: '' };
  }

  function finish(result: Settled): void {
    outcome = result;
    settled();
  }

  const guest: Guest = {
    bind(exported) {
      namespace = exported;
      settled();
    },
    invoke(name, args) {
      try {
        if (!(name in namespace)) {
          const names = Object.keys(namespace).join(', ') || 'nothing';
          throw new TypeError(`the program has no export "${name}"; it exports ${names}`);
        }
        const target = namespace[name];
        const value = typeof target === 'function' ? apply(target, undefined, args) : target;
        if (typeof (value as { then?: unknown } | null | undefined)?.then !== 'function') {
          return ['value', value];
        }
        apply(then, Promise.resolve(value), [
          (v: unknown) => finish(['value', v]),
          (e: unknown) => finish(['error', describe(e)]),
        ]);
        return undefined;
      } catch (error) {
        return ['error', describe(error)];
      }
    },
    take() {
      const taken = outcome;
      outcome = undefined;
      return taken;
    },
    reply(id, ok, value) {
      const waiter = waiting.get(id);
      waiting.delete(id);
      if (ok) waiter?.resolve(value);
      else waiter?.reject(new Error(String(value)));
    },
    fire(id) {
      const job = timers.get(id);
      timers.delete(id);
      job?.();
    },
    grant(names) {
      for (const name of names) {
        const parts = name.split('.');
        const last = parts.pop() as string;
        let object = realm;
        for (const part of parts) {
          if (!Object.hasOwn(object, part)) define(object, part, {});
          object = object[part] as Record<string, unknown>;
        }
        define(object, last, (...args: unknown[]) => {
          const id = ++lastId;
          return new Promise((resolve, reject) => {
            waiting.set(id, { resolve, reject });
            try {
              call(id, name, args);
            } catch (error) {
              waiting.delete(id);
              reject(error as Error);
            }
          });
        });
      }
    },
  };
  // V8 compiles them when they are first called: now, and not while somebody waits.
  guest.bind({ default: () => undefined });
  guest.invoke('default', []);
  namespace = {};
  return guest;
}
