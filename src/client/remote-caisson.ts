/**
 * A Caisson that is somewhere else: the library's shape, over HTTP. A program that runs things here runs them there by
 * opening this one instead.
 *
 * Over 300 lines: the public surface, with what each method promises.
 */
import type { signSource, verifySource } from '../api/admission.ts';
import { evaluationFromWire } from '../api/evaluation.ts';
import { evaluateSource } from '../api/modules.ts';
import { health } from '../api/operations.ts';
import { outcomeFromWire } from '../api/outcome.ts';
import { explainPolicy } from '../api/policies.ts';
import type { ValueOf } from '../api/route.ts';
import { createSandbox, runCommand } from '../api/sandboxes.ts';
import { spawnRun } from '../api/spawn.ts';
import { valueToWire } from '../api/value.ts';
import { CaissonError, type Result, toResult } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import { type CallOptions, callFunction } from '../functions/call.ts';
import type { EvalLanguage, EvalOptions } from '../functions/eval-source.ts';
import { type Sandboxed, sandboxedOn } from '../functions/sandboxed.ts';
import type { Explanation } from '../plan/explain.ts';
import { checkOptions } from '../policy/known-options.ts';
import { policyFromDocument } from '../policy/parse.ts';
import type { Policy } from '../policy/policy.ts';
import { type Problem, policyInvalid } from '../policy/problems.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateOptions } from '../sandbox/evaluator.ts';
import type { ExecOptions, SpawnOptions } from '../sandbox/exec-options.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import type { ManagedCreateOptions, ManagedOptions } from '../sandbox/manager/manager-options.ts';
import { PLACE } from '../sandbox/option-kinds.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import { isPolicyInput } from '../sandbox/policy-input.ts';
import type { EngineLanguage, ProgramSource } from '../sandbox/program.ts';
import { requireArgv } from '../sandbox/require-argv.ts';
import type { NetworkOptions } from '../sandbox/run-network.ts';
import { type ConnectOptions, invalid } from './connect-options.ts';
import { localOnly, refuseMethods } from './local-only.ts';
import { REMOTE } from './option-kinds.ts';
import {
  checkRemote,
  commandToWire,
  managedToWire,
  type Once,
  onceOf,
  placeToWire,
  policyToWire,
  type Remotely,
  type RemotePolicyInput,
  traceOf,
  type WireManaged,
} from './place.ts';
import { RemoteKeys, RemoteTenants } from './remote-access.ts';
import {
  type RemoteScanOptions,
  type RemoteScanReport,
  type RemoteSubject,
  RemoteTrust,
  scanRemotely,
  signRemotely,
  verifyRemotely,
} from './remote-admission.ts';
import { remoteFailed } from './remote-answer.ts';
import { RemoteAudit } from './remote-audit.ts';
import { RemoteModules } from './remote-modules.ts';
import { RemoteSandboxes, RemoteStatistics } from './remote-overview.ts';
import { RemotePolicies } from './remote-policies.ts';
import { spawnRemote } from './remote-process.ts';
import { RemoteSandbox } from './remote-sandbox.ts';
import type { SharedCaisson } from './shared.ts';
import { sourceToWire, wasmToWire } from './source.ts';
import { Transport } from './transport.ts';

type RunOptions = Remotely<ManagedOptions> & ExecOptions & Once;
type SpawnRunOptions = Remotely<ManagedOptions> & SpawnOptions;
/** As the library's, and how it is looked after. */
export type RemoteCreateOptions = Remotely<ManagedCreateOptions & NetworkOptions> & Once;
type Evaluating<O extends { readonly policy?: PolicyInput }> = Remotely<O>;

export class RemoteCaisson implements SharedCaisson, AsyncDisposable {
  readonly #transport: Transport;
  /** What is there, and what ended last. */
  readonly sandboxes: RemoteSandboxes;
  readonly policies: RemotePolicies;
  readonly audit: RemoteAudit;
  readonly statistics: RemoteStatistics;
  readonly trust: RemoteTrust;
  readonly keys: RemoteKeys;
  readonly tenants: RemoteTenants;

  private constructor(transport: Transport) {
    if (!(transport instanceof Transport)) {
      throw invalid(
        'a client is opened, not constructed',
        'write await RemoteCaisson.open({ url })',
      );
    }
    this.#transport = transport;
    this.sandboxes = new RemoteSandboxes(transport);
    this.policies = new RemotePolicies(transport);
    this.audit = new RemoteAudit(transport);
    this.statistics = new RemoteStatistics(transport);
    this.trust = new RemoteTrust(transport);
    this.keys = new RemoteKeys(transport);
    this.tenants = new RemoteTenants(transport);
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
    requireArgv(argv, 'client');
    checkRemote(options, 'run', REMOTE.run);
    refuseName(options);
    const { signal } = options;
    const body = {
      argv: [...argv],
      ...commandToWire(options),
      ...placeToWire(options),
      ...managedOf(options),
    };
    const asked = { body, signal, ...onceOf(options) };
    return outcomeFromWire(await this.#transport.ask(runCommand, asked));
  }

  safeRun(argv: readonly string[], options: RunOptions = {}): Promise<Result<Outcome>> {
    return toResult(() => this.run(argv, options));
  }

  /** As `Caisson.spawn`; its `started` is its process id on the service’s machine, and 0 of a service that does not tell it. */
  async spawn(argv: readonly string[], options: SpawnRunOptions = {}): Promise<GuestProcess> {
    requireArgv(argv, 'client');
    checkRemote(options, 'spawn', REMOTE.spawn);
    refuseName(options);
    const { pty, signal } = options;
    const start = {
      argv: [...argv],
      ...commandToWire(options),
      ...placeToWire(options),
      ...managedOf(options),
      ...(pty === undefined ? {} : { pty }),
    };
    const path = this.#transport.pathOf(spawnRun, {});
    const guest = spawnRemote(this.#transport, { path, start, signal, ...traceOf(options) });
    await Promise.race([guest.started, guest.outcome]);
    return guest;
  }

  safeSpawn(argv: readonly string[], options: SpawnRunOptions = {}): Promise<Result<GuestProcess>> {
    return toResult(() => this.spawn(argv, options));
  }

  /** As `Caisson.evaluate`; host functions cannot be granted. */
  async evaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: Evaluating<EvaluateOptions & PlaceOptions> = {},
  ): Promise<Evaluation> {
    checkRemote(options, 'evaluate', REMOTE.evaluate);
    const { args = [], ...rest } = options;
    return await this.#evaluate(language, source, rest, { args: valueToWire(args, 'devalue') });
  }

  safeEvaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: Evaluating<EvaluateOptions & PlaceOptions> = {},
  ): Promise<Result<Evaluation>> {
    return toResult(() => this.evaluate(language, source, options));
  }

  /** As `Caisson.eval`. */
  async eval(
    language: EvalLanguage,
    source: ProgramSource,
    options: Evaluating<EvalOptions> = {},
  ): Promise<Evaluation> {
    checkRemote(options, 'eval', REMOTE.eval);
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
    options: Evaluating<EvalOptions> = {},
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

  /**
   * A sandbox that stays, as `Caisson.create` makes one; it ends with {@link RemoteSandbox.close}, by its limits, after an
   * hour without a request, or with the service, and not with this client.
   */
  async create(options: RemoteCreateOptions | RemotePolicyInput = {}): Promise<RemoteSandbox> {
    const where: RemoteCreateOptions = isPolicyInput(options, REMOTE.create)
      ? { policy: options }
      : options;
    checkRemote(where, 'create', REMOTE.create);
    const { name, signal } = where;
    const body = {
      ...placeToWire(where),
      ...managedToWire(where),
      ...(name === undefined ? {} : { name }),
    };
    const asked = { body, signal, ...onceOf(where) };
    return new RemoteSandbox(this.#transport, await this.#transport.ask(createSandbox, asked));
  }

  safeCreate(
    options: RemoteCreateOptions | RemotePolicyInput = {},
  ): Promise<Result<RemoteSandbox>> {
    return toResult(() => this.create(options));
  }

  /** One that is there already, whoever made it. @throws NOT_FOUND, SANDBOX_CLOSED where it has ended */
  async sandbox(id: string): Promise<RemoteSandbox> {
    const found = await this.sandboxes.inspect(id);
    // Told of those alone that are there.
    if (found.cwd !== undefined) return new RemoteSandbox(this.#transport, found);
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'client',
      message: `${id} is ${found.kind === 'run' ? 'a run' : found.state}`,
      hint: 'only a sandbox that stays, and is there, takes commands and files',
    });
  }

  /** As `Caisson.policy`: also one that is stored, as the tenant may use it. @throws POLICY_INVALID, POLICY_BEYOND_CEILING */
  async policy(input: RemotePolicyInput): Promise<{ policy: Policy; digest: string }> {
    const { valid, allowed, digest, document, problems, witness } =
      await this.policies.validate(input);
    if (!valid) throw policyInvalid(problems as readonly Problem[]);
    if (!allowed) {
      throw new CaissonError('POLICY_BEYOND_CEILING', {
        layer: 'client',
        ...(witness === undefined ? {} : { message: witness }),
      });
    }
    if (digest === undefined || document === undefined) {
      throw remoteFailed('it does not say what the policy is');
    }
    return { policy: policyFromDocument(document as never), digest };
  }

  /** As `Caisson.explain`, on the host of the service. */
  async explain(
    policy: RemotePolicyInput = 'strict',
    options: PlaceOptions = {},
  ): Promise<Explanation> {
    checkRemote(options, 'explain', PLACE);
    if (options.workspace !== undefined) {
      throw localOnly('workspace', 'a service explains policies without one');
    }
    const body = { policy: policyToWire(policy) };
    return (await this.#transport.ask(explainPolicy, { body })) as unknown as Explanation;
  }

  /**
   * Looks for dangerous code; nothing of it is run.
   *
   * @param files by path, /-separated; the ending of a name says what it is
   */
  async scan(
    files: Readonly<Record<string, string | Uint8Array>>,
    options: RemoteScanOptions = {},
  ): Promise<RemoteScanReport> {
    return await scanRemotely(this.#transport, files, options);
  }

  /** Signs with the key of the service. @throws KEY_INVALID where it has none */
  async sign(subject: RemoteSubject): Promise<ValueOf<typeof signSource>> {
    return await signRemotely(this.#transport, subject);
  }

  /**
   * Whether code is signed by those whom the service trusts for it; a no is an answer, too.
   *
   * @param signatures DSSE envelopes or Sigstore bundles, as text or parsed
   * @param options `by`: signers or groups of which one must have signed
   */
  async verify(
    subject: RemoteSubject,
    signatures: readonly (string | object)[],
    options: { readonly by?: readonly string[] } = {},
  ): Promise<ValueOf<typeof verifySource>> {
    checkOptions(options, 'verify', { by: 'texts' }, 'client');
    return await verifyRemotely(this.#transport, subject, signatures, options.by);
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
    options: Remotely<Omit<EvaluateOptions, 'args'> & PlaceOptions>,
    what: object,
  ): Promise<Evaluation> {
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
      await this.#transport.ask(evaluateSource, { body, signal, ...onceOf(options) }),
      'devalue',
    );
  }
}

refuseMethods(RemoteCaisson.prototype, {
  doctor: 'a service tells with GET /readyz whether it can work, and explain() what it enforces',
  facts: 'explain() tells what the host of a service enforces',
  manager: 'a service has one; sandboxes.list() and statistics.pool() tell of it',
  monitor: 'sandboxes.inspect() tells what one uses, /metrics of all',
  prepare: 'a service keeps ready what is wanted most, by itself',
  pendingChanges: 'changes go with their sandbox; snapshot() keeps them',
  changes: 'changes are asked of their sandbox',
});

/** How it is looked after; a run ends by itself. */
function managedOf(options: Remotely<ManagedOptions>): Omit<WireManaged, 'idleTimeoutMs'> {
  const { idleTimeoutMs: _, ...managed } = managedToWire(options);
  return managed;
}

/** @throws REQUEST_INVALID */
function refuseName({ name }: NetworkOptions): void {
  if (name !== undefined) throw localOnly('name', 'others reach the sandbox that create() makes');
}
