/** Functions for those who do not want to hold a Caisson: each opens one of its own, and must be closed. */
import { Caisson } from './compose.ts';
import { CaissonError } from './core/error.ts';
import type { CallOptions } from './functions/call.ts';
import { CALL } from './functions/option-kinds.ts';
import { type Sandboxed, sandboxedOn } from './functions/sandboxed.ts';
import { checkOptions, having, type KindsOf } from './policy/known-options.ts';

export interface SandboxedOptions extends CallOptions {
  /** Runs on this one, which stays its owner's to close; default: one of its own, opened at the first call. */
  readonly caisson?: Caisson;
}

const SANDBOXED = {
  ...CALL,
  caisson: having('evaluate'),
} as const satisfies KindsOf<SandboxedOptions>;

export type SandboxedFunction<A extends unknown[], R> = Sandboxed<A, R> &
  AsyncDisposable & {
    /** Ends the Caisson that it opened, where it did. Idempotent; calls after it throw SANDBOX_CLOSED. */
    close(): Promise<void>;
  };

/**
 * A function with the same arguments that runs in a guest each time; what it returns comes back as a promise.
 *
 * @throws at a call: REQUEST_INVALID, GUEST_FAILED, GUEST_LIMIT, and what `Caisson.evaluate` throws
 * @example
 * await using square = sandboxed((a: number) => a * a);
 * console.log(await square(7));
 */
export function sandboxed<A extends unknown[], R>(
  fn: (...args: A) => R,
  given: SandboxedOptions = {},
): SandboxedFunction<A, R> {
  checkOptions(given, 'sandboxed', SANDBOXED, 'functions');
  const { caisson, ...options } = given;
  const own = new OwnCaisson(caisson);
  const wrapper = sandboxedOn(() => own.get(), fn, options);
  return Object.assign(wrapper, {
    close: () => own.close(),
    [Symbol.asyncDispose]: () => own.close(),
  });
}

export interface ToolRunnerOptions {
  /** Seconds, of wall-clock and of processor time; default 30. Never above the policy's. */
  readonly timeout?: number;
  /** MiB; default 128. Never above the policy's. */
  readonly memoryMb?: number;
  /** Default: level `strict`. */
  readonly policy?: CallOptions['policy'];
  /** Functions of yours that the tools may call. */
  readonly grants?: CallOptions['grants'];
  /** Runs on this one; default: one of its own. */
  readonly caisson?: Caisson;
}

const TOOL_RUNNER = {
  timeout: 'number',
  memoryMb: 'number',
  policy: 'given',
  grants: 'object',
  caisson: having('call'),
} as const satisfies KindsOf<ToolRunnerOptions>;

/**
 * Runs functions with one time-out and one memory limit. For code that already speaks so; `caisson.call` says more.
 *
 * @example
 * await using runner = new SandboxedToolRunner({ timeout: 5, memoryMb: 64 });
 * console.log(await runner.run((a: number, b: number) => a + b, 40, 2));
 */
export class SandboxedToolRunner {
  readonly #own: OwnCaisson;
  readonly #options: CallOptions;

  /** @throws REQUEST_INVALID for a limit that is none */
  constructor(options: ToolRunnerOptions = {}) {
    checkOptions(options, 'SandboxedToolRunner', TOOL_RUNNER, 'functions');
    const { timeout = 30, memoryMb = 128, policy, grants, caisson } = options;
    const ms = positive('timeout', timeout, 'seconds') * 1000;
    const bytes = positive('memoryMb', memoryMb, 'MiB') * 2 ** 20;
    this.#own = new OwnCaisson(caisson);
    this.#options = {
      timeoutMs: Math.ceil(ms),
      cpuMs: Math.ceil(ms),
      memoryBytes: Math.ceil(bytes),
      ...(policy === undefined ? {} : { policy }),
      ...(grants === undefined ? {} : { grants }),
    };
  }

  /** @throws REQUEST_INVALID, GUEST_FAILED, GUEST_LIMIT, and what `Caisson.evaluate` throws */
  async run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Promise<Awaited<R>> {
    const caisson = await this.#own.get();
    return await caisson.call<A, R>(fn, args, this.#options);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#own.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The caller's Caisson, or one that is opened when it is first needed and closed with its owner. */
class OwnCaisson {
  readonly #given: Caisson | undefined;
  #opened: Promise<Caisson> | undefined;
  #closed = false;

  constructor(given: Caisson | undefined) {
    this.#given = given;
  }

  get(): Caisson | Promise<Caisson> {
    if (this.#closed) {
      throw new CaissonError('SANDBOX_CLOSED', {
        layer: 'functions',
        message: 'it is closed',
        hint: 'make another one',
      });
    }
    if (this.#given !== undefined) return this.#given;
    this.#opened ??= Caisson.open();
    return this.#opened;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opened = this.#opened;
    this.#opened = undefined;
    await (await opened)?.close();
  }
}

function positive(name: string, value: number, unit: string): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'functions',
    message: `${name} is ${value}`,
    hint: `give ${unit} above 0`,
  });
}
