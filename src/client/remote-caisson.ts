/**
 * A Caisson that is somewhere else: the library's shape, over HTTP. A program that runs things here runs them there by
 * opening this one instead.
 */
import { evaluationFromWire } from '../api/evaluation.ts';
import { evaluateSource } from '../api/modules.ts';
import { health } from '../api/operations.ts';
import { outcomeFromWire } from '../api/outcome.ts';
import { createSandbox, runCommand } from '../api/sandboxes.ts';
import { spawnRun } from '../api/spawn.ts';
import { valueToWire } from '../api/value.ts';
import type { Caisson } from '../compose.ts';
import { type Result, toResult } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { type CallOptions, callFunction } from '../functions/call.ts';
import type { EvalLanguage, EvalOptions } from '../functions/eval-source.ts';
import { type Sandboxed, sandboxedOn } from '../functions/sandboxed.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateOptions } from '../sandbox/evaluator.ts';
import type { ExecOptions, SpawnOptions } from '../sandbox/exec-options.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { ManagedCreateOptions, ManagedOptions } from '../sandbox/manager/manager-options.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { EngineLanguage, ProgramSource } from '../sandbox/program.ts';
import { commandToWire, placeToWire, refuseLocal } from './place.ts';
import { RemoteModules } from './remote-modules.ts';
import { spawnRemote } from './remote-process.ts';
import { RemoteSandbox } from './remote-sandbox.ts';
import { sourceToWire, wasmToWire } from './source.ts';
import { type ConnectOptions, Transport } from './transport.ts';

/** What of the library's surface is here, with the library's own types. */
type Shared = Pick<
  Caisson,
  | 'run'
  | 'safeRun'
  | 'spawn'
  | 'safeSpawn'
  | 'evaluate'
  | 'safeEvaluate'
  | 'eval'
  | 'safeEval'
  | 'call'
  | 'safeCall'
  | 'sandboxed'
  | 'close'
>;

type RunOptions = ManagedOptions & ExecOptions;

export class RemoteCaisson implements Shared, AsyncDisposable {
  readonly #transport: Transport;

  private constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Asks the service whether it is there.
   *
   * @throws REQUEST_INVALID for what is no address, REMOTE_FAILED
   * @example
   * await using caisson = await RemoteCaisson.open({ url: 'http://127.0.0.1:8640', apiKey });
   * const { stdout } = await caisson.run(['echo', 'hello']);
   */
  static async open(options: ConnectOptions): Promise<RemoteCaisson> {
    const transport = new Transport(options);
    try {
      await transport.ask(health);
    } catch (error) {
      transport.close();
      throw error;
    }
    return new RemoteCaisson(transport);
  }

  /** As `Caisson.run`. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const { signal } = options;
    const body = { argv: [...argv], ...commandToWire(options), ...placeToWire(options) };
    return outcomeFromWire(await this.#transport.ask(runCommand, { body, signal }));
  }

  safeRun(argv: readonly string[], options: RunOptions = {}): Promise<Result<Outcome>> {
    return toResult(() => this.run(argv, options));
  }

  /** As `Caisson.spawn`; its `started` is 0, for the process has no number here. */
  async spawn(
    argv: readonly string[],
    options: ManagedOptions & SpawnOptions = {},
  ): Promise<GuestProcess> {
    const { pty, signal } = options;
    const start = {
      argv: [...argv],
      ...commandToWire(options),
      ...placeToWire(options),
      ...(pty === undefined ? {} : { pty }),
    };
    const path = this.#transport.pathOf(spawnRun, {});
    const guest = spawnRemote(this.#transport, { path, start, signal });
    await Promise.race([guest.started, guest.outcome]);
    return guest;
  }

  safeSpawn(
    argv: readonly string[],
    options: ManagedOptions & SpawnOptions = {},
  ): Promise<Result<GuestProcess>> {
    return toResult(() => this.spawn(argv, options));
  }

  /** As `Caisson.evaluate`; host functions cannot be granted. */
  async evaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: EvaluateOptions & PlaceOptions = {},
  ): Promise<Evaluation> {
    const { args = [], ...rest } = options;
    return await this.#evaluate(language, source, rest, { args: valueToWire(args, 'devalue') });
  }

  safeEvaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: EvaluateOptions & PlaceOptions = {},
  ): Promise<Result<Evaluation>> {
    return toResult(() => this.evaluate(language, source, options));
  }

  /** As `Caisson.eval`. */
  async eval(
    language: EvalLanguage,
    source: ProgramSource,
    options: EvalOptions = {},
  ): Promise<Evaluation> {
    const { input, stdin, words, env, ...rest } = options;
    return await this.#evaluate(language, source, rest, {
      ...(input === undefined ? {} : { input: valueToWire(input, 'devalue') }),
      ...(stdin === undefined ? {} : { stdinBase64: Buffer.from(stdin).toString('base64') }),
      ...(words === undefined ? {} : { words: [...words] }),
      ...(env === undefined ? {} : { env }),
    });
  }

  safeEval(
    language: EvalLanguage,
    source: ProgramSource,
    options: EvalOptions = {},
  ): Promise<Result<Evaluation>> {
    return toResult(() => this.eval(language, source, options));
  }

  /** As `Caisson.call`. */
  call<A extends unknown[], R>(
    fn: (...args: A) => R,
    args: NoInfer<A>,
    options?: CallOptions,
  ): Promise<Awaited<R>>;
  call<R>(fn: () => R): Promise<Awaited<R>>;
  call(fn: () => unknown, args: unknown[] = [], options: CallOptions = {}): Promise<unknown> {
    return callFunction(this, fn, args, options);
  }

  safeCall<A extends unknown[], R>(
    fn: (...args: A) => R,
    args: NoInfer<A>,
    options: CallOptions = {},
  ): Promise<Result<Awaited<R>>> {
    return toResult(() => this.call(fn, args, options));
  }

  sandboxed<A extends unknown[], R>(
    fn: (...args: A) => R,
    options: CallOptions = {},
  ): Sandboxed<A, R> {
    return sandboxedOn(() => this, fn, options);
  }

  /** A sandbox that stays, as `Caisson.create` makes one; it ends with {@link RemoteSandbox.close}, or by its limits. */
  async create(options: ManagedCreateOptions = {}): Promise<RemoteSandbox> {
    const { idleTimeoutMs, signal } = options;
    const body = {
      ...placeToWire(options),
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    };
    return new RemoteSandbox(
      this.#transport,
      await this.#transport.ask(createSandbox, { body, signal }),
    );
  }

  /** The registered modules of the key's tenant. */
  async modules(): Promise<RemoteModules> {
    return new RemoteModules(this.#transport);
  }

  /** Ends its connections; sandboxes that were made stay. Idempotent. */
  async close(): Promise<void> {
    this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #evaluate(
    language: EvalLanguage,
    source: ProgramSource,
    options: Omit<EvaluateOptions, 'args'> & PlaceOptions,
    what: object,
  ): Promise<Evaluation> {
    refuseLocal(options);
    const {
      export: name,
      keep,
      memoryBytes,
      cpuMs,
      timeoutMs,
      compileOnly,
      signal,
      wasm,
    } = options;
    const body = {
      language,
      source: sourceToWire(source),
      encoding: 'devalue' as const,
      ...placeToWire(options),
      ...what,
      ...(name === undefined ? {} : { export: name }),
      ...(keep === undefined ? {} : { keep }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(cpuMs === undefined ? {} : { cpuMs }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(compileOnly === undefined ? {} : { compileOnly }),
      ...(wasm === undefined ? {} : { wasm: wasmToWire(wasm) }),
    };
    return evaluationFromWire(
      await this.#transport.ask(evaluateSource, { body, signal }),
      'devalue',
    );
  }
}
