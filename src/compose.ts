/**
 * Wires everything into a Caisson. Any number of them live side by side; none has global state.
 *
 * Over 300 lines: the public surface, with what each method promises.
 */
import { availableParallelism } from 'node:os';
import { ChildBackend } from './backends/child/child-backend.ts';
import { HostPool } from './backends/host-pool.ts';
import { ProcessBackend } from './backends/process/process-backend.ts';
import { BackendRegistry } from './backends/registry.ts';
import { AdmissionGate } from './compose/admission-gate.ts';
import type { CaissonAdmissionOptions } from './compose/admission-options.ts';
import { inlinePool } from './compose/inline-pool.ts';
import { closedError, Launchers } from './compose/launchers.ts';
import { CAISSON, CREATE, PREPARE, RUN, SPAWN_RUN } from './compose/option-kinds.ts';
import { recorderOf } from './compose/recorder.ts';
import {
  type CreateOptions,
  Requests,
  type RunOptions,
  type SpawnRunOptions,
} from './compose/requests.ts';
import { Runners, unisolated } from './compose/runners.ts';
import { tracedPool } from './compose/traced-pool.ts';
import { CaissonError, type Result, toResult } from './core/error.ts';
import { newId } from './core/ids.ts';
import type { Outcome } from './core/outcome.ts';
import type { Observer, Recorder } from './core/ports.ts';
import type { Telemetry } from './core/telemetry.ts';
import { type CallOptions, callFunction } from './functions/call.ts';
import { type EvalLanguage, type EvalOptions, evalSource } from './functions/eval-source.ts';
import { type Sandboxed, sandboxedOn } from './functions/sandboxed.ts';
import { type Diagnosis, diagnose } from './host/doctor.ts';
import { isolateEngineLacks } from './host/engine-walls.ts';
import { gatherSurroundings } from './host/surroundings.ts';
import type { Modules } from './modules/modules.ts';
import type { ModulesOptions } from './modules/modules-setup.ts';
import { checkNameServers } from './network/name-server-address.ts';
import type { Ask } from './network/questions.ts';
import type { Monitor } from './observe/monitor/monitor.ts';
import { compileForExplain } from './plan/compile.ts';
import { type Explanation, explain } from './plan/explain.ts';
import type { HostFacts } from './plan/facts.ts';
import { checkOptions, type KnownOptions } from './policy/known-options.ts';
import type { Changes } from './sandbox/changes.ts';
import type { Evaluation } from './sandbox/evaluation.ts';
import type { EvaluateOptions } from './sandbox/evaluator.ts';
import { requireText, requireWhole } from './sandbox/given-values.ts';
import type { GuestProcess } from './sandbox/guest-process.ts';
import type { ManagerOptions } from './sandbox/manager/manager-options.ts';
import type { SandboxManager } from './sandbox/manager/sandbox-manager.ts';
import { Networks } from './sandbox/networks.ts';
import { EVALUATION, PLACE } from './sandbox/option-kinds.ts';
import type { OverlayRecord } from './sandbox/overlay.ts';
import { PlaceFinder, workspaceOf } from './sandbox/place.ts';
import type { PlaceOptions } from './sandbox/place-options.ts';
import { PolicyBook, type PolicyEntry, type PolicyInput } from './sandbox/policy-book.ts';
import { isPolicyInput } from './sandbox/policy-input.ts';
import { type EngineLanguage, type ProgramSource, programOf } from './sandbox/program.ts';
import { Programs } from './sandbox/programs.ts';
import { protectionOf, unprotected } from './sandbox/protect.ts';
import type { ResolvedPolicy } from './sandbox/resolved-policy.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { defaultStateDirectory } from './sandbox/state-directory.ts';

export interface CaissonOptions {
  /** The caller's environment, of which policies pass names on; default `process.env`, read at each run. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where pending changes are kept, 0700; default `$XDG_STATE_HOME/caisson` or `~/.local/state/caisson`. */
  readonly stateDirectory?: string;
  /** Facts of this host where they are known already (a cache); default: the launcher tries them once. */
  readonly facts?: HostFacts;
  /** Told of everything that happens. */
  readonly observer?: Observer;
  /** Name servers that filtered sandboxes' names are asked of, `address` or `address:port`; default the host's. */
  readonly nameServers?: readonly string[];
  /** Asked about destinations that no rule of a policy decides, for runs that bring no `ask` of their own. */
  readonly ask?: Ask;
  /** Where everything that happens is recorded; what it cannot record does not run. */
  readonly audit?: Recorder;
  /** What code is checked with where a policy asks for it, and modules always: docs/admission.md. */
  readonly admission?: CaissonAdmissionOptions;
  /** Told of every step while it happens, and by its own observer of everything else: docs/telemetry.md. */
  readonly telemetry?: Telemetry;
}

export type { CreateOptions, RunOptions, SpawnRunOptions } from './compose/requests.ts';
export type { PlaceOptions } from './sandbox/place-options.ts';

export interface PrepareOptions extends PlaceOptions {
  /** Sandboxes kept ready; default 4. */
  readonly slots?: number;
  /** Command that the runs will start with, so that its toolchain is part of what is prepared. */
  readonly command?: string;
}

const DEFAULT_SLOTS = 4;
/** What the launcher takes. */
const MOST_SLOTS = 4096;

export class Caisson {
  readonly #options: CaissonOptions;
  readonly #recorder: Recorder | undefined;
  readonly #telemetry: Telemetry | undefined;
  readonly #book = new PolicyBook((entry) => this.#forget(entry));
  readonly #places: PlaceFinder;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #registry: BackendRegistry;
  readonly #sandboxes = new Set<Sandbox>();
  readonly #managers = new Set<SandboxManager>();
  readonly #monitors = new Set<Monitor>();
  readonly #modules = new Set<Modules>();
  readonly #launchers: Launchers;
  readonly #networks: Networks;
  readonly #programs: Programs;
  readonly #runners: Runners;
  readonly #gate: AdmissionGate;
  readonly #requests: Requests;
  #closed = false;

  private constructor(options: CaissonOptions) {
    if (options === undefined) throw notOpened();
    checkOptions(options, 'Caisson.open', CAISSON);
    const { nameServers } = options;
    if (nameServers !== undefined) checkNameServers(nameServers, 'Caisson.open: nameServers');
    this.#options = options;
    this.#launchers = new Launchers(options.facts);
    this.#recorder = recorderOf(options);
    this.#telemetry = options.telemetry;
    this.#environment = options.environment ?? process.env;
    this.#places = new PlaceFinder(this.#environment);
    this.#networks = new Networks({
      environment: this.#environment,
      state: () => this.#state(),
      servers: options.nameServers,
      ask: options.ask,
    });
    this.#programs = new Programs({
      open: (entry, place, isAlone) => async (needs) => {
        const pool =
          needs.placement === 'inline'
            ? await inlinePool(needs.engine, needs.memoryBytes)
            : new HostPool({
                engine: needs.engine,
                hosts: availableParallelism(),
                ...(isAlone ? { evaluationsEach: 1 } : {}),
                start: () => this.#runners.startHost(entry.policy, place, needs),
              });
        return this.#telemetry === undefined ? pool : tracedPool(pool, this.#telemetry);
      },
      journal: (entry, { tenant }) => this.#runners.journal(entry, 'isolate', tenant),
    });
    this.#registry = new BackendRegistry([
      new ProcessBackend(() => this.#launchers.client),
      new ChildBackend('child', () => this.#launchers.hostClient),
      new ChildBackend('none', () => this.#launchers.hostClient),
    ]);
    this.#gate = new AdmissionGate({
      options: options.admission ?? {},
      book: this.#book,
      recorder: this.#recorder,
      state: () => this.#state(),
    });
    this.#runners = new Runners({
      gate: this.#gate,
      telemetry: this.#telemetry,
      launchers: this.#launchers,
      registry: this.#registry,
      networks: this.#networks,
      places: this.#places,
      book: this.#book,
      recorder: this.#recorder,
      environment: this.#environment,
      state: () => this.#state(),
      sandboxes: this.#sandboxes,
    });
    this.#requests = new Requests({
      book: this.#book,
      places: this.#places,
      runners: this.#runners,
      programs: this.#programs,
      gate: this.#gate,
      recorder: this.#recorder,
      telemetry: this.#telemetry,
      isClosed: () => this.#closed,
    });
  }

  /**
   * Starts nothing yet: the launcher starts with the first run.
   *
   * @throws REQUEST_INVALID
   * @example
   * await using caisson = await Caisson.open();
   * const { stdout } = await caisson.run(['echo', 'hello']);
   */
  static async open(options: CaissonOptions = {}): Promise<Caisson> {
    return new Caisson(options);
  }

  /**
   * Runs one command in a sandbox of its own, which is gone when the promise settles. What the guest does is the
   * outcome; only what goes wrong on our side throws.
   *
   * @throws POLICY_INVALID, UNENFORCEABLE, WALL_UNAVAILABLE, REQUEST_INVALID, COMMAND_NOT_FOUND,
   * COMMAND_NOT_EXECUTABLE, PATH_MISSING, WORKSPACE_UNSUPPORTED, RESOURCE_EXHAUSTED, ABORTED, LAUNCHER_*
   */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    this.#check(options, 'run', RUN);
    return await this.#requests.run(argv, options, newId('run'));
  }

  safeRun(argv: readonly string[], options: RunOptions = {}): Promise<Result<Outcome>> {
    return toResult(() => this.run(argv, options));
  }

  /** As {@link run}, with streams: output while it is written, input, signals, a terminal. */
  async spawn(argv: readonly string[], options: SpawnRunOptions = {}): Promise<GuestProcess> {
    this.#check(options, 'spawn', SPAWN_RUN);
    return await this.#requests.spawn(argv, options, newId('run'));
  }

  safeSpawn(argv: readonly string[], options: SpawnRunOptions = {}): Promise<Result<GuestProcess>> {
    return toResult(() => this.spawn(argv, options));
  }

  /**
   * Evaluates a program: thousands a second, in an engine of its language that stands behind the policy's wall.
   *
   * @returns what its default export returned for `args`; what it threw, or a limit that it hit, is a value too
   * @throws REQUEST_INVALID (also for a `workspace`, which it has none of), POLICY_INVALID, UNENFORCEABLE, WALL_UNAVAILABLE, ABORTED, LAUNCHER_*
   * @example
   * const { value } = await caisson.evaluate('javascript', 'export default (a) => a.map((x) => x * x)', { args: [[1, 2]] });
   */
  async evaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: EvaluateOptions & PlaceOptions = {},
  ): Promise<Evaluation> {
    this.#check(options, 'evaluate', EVALUATION);
    // Ignored, it would be missed without a word.
    if (options.workspace !== undefined) {
      throw this.#requests.refused(newId('run'), options, noWorkspace());
    }
    return await this.#requests.evaluate(() => programOf(source, language), options);
  }

  safeEvaluate(
    language: EngineLanguage,
    source: ProgramSource,
    options: EvaluateOptions & PlaceOptions = {},
  ): Promise<Result<Evaluation>> {
    return toResult(() => this.evaluate(language, source, options));
  }

  /**
   * Calls a function of yours in a guest: its source and structured clones of the arguments go there. What it closes
   * over does not, so that is refused with the names; what it throws is thrown.
   *
   * @throws REQUEST_INVALID, GUEST_FAILED, GUEST_LIMIT, and what {@link evaluate} throws
   * @example
   * const sum = await caisson.call((a: number, b: number) => a + b, [40, 2]);
   */
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

  /** A function with the same arguments that is {@link call}ed each time. */
  sandboxed<A extends unknown[], R>(
    fn: (...args: A) => R,
    options: CallOptions = {},
  ): Sandboxed<A, R> {
    return sandboxedOn(() => this, fn, options);
  }

  /**
   * Runs a source with an input: JavaScript, TypeScript and WASM by {@link evaluate}; Python and shell as commands
   * behind the wall of the policy's level, whose input is JSON on stdin and whose value is the JSON that they print.
   *
   * @throws COMMAND_NOT_FOUND where an interpreter is missing, and what {@link evaluate} and {@link run} throw
   */
  eval(
    language: EvalLanguage,
    source: ProgramSource,
    options: EvalOptions = {},
  ): Promise<Evaluation> {
    return evalSource(
      {
        evaluate: (...asked) => this.evaluate(...asked),
        run: (argv, where, made) => this.#requests.run(argv, where, newId('run'), undefined, made),
        policy: (input) => this.policy(input),
      },
      language,
      source,
      options,
    );
  }

  safeEval(
    language: EvalLanguage,
    source: ProgramSource,
    options: EvalOptions = {},
  ): Promise<Result<Evaluation>> {
    return toResult(() => this.eval(language, source, options));
  }

  /**
   * A sandbox that stays open. Close it, or `await using` it.
   *
   * @example
   * await using sandbox = await caisson.create({ policy: 'agent', workspace: '.' });
   * await sandbox.exec(['make']);
   * console.log(await (await sandbox.changes()).diff());
   */
  async create(options: CreateOptions | PolicyInput = {}): Promise<Sandbox> {
    const where: CreateOptions = isPolicyInput(options, CREATE) ? { policy: options } : options;
    this.#check(where, 'create', CREATE);
    return await this.#requests.create(where);
  }

  safeCreate(options: CreateOptions | PolicyInput = {}): Promise<Result<Sandbox>> {
    return toResult(() => this.create(options));
  }

  /** Takes a policy in and keeps sandboxes for it ready, so that runs of it start at once. */
  async prepare(options: PrepareOptions = {}): Promise<void> {
    this.#check(options, 'prepare', PREPARE);
    requireWhole(options.slots, 'prepare: slots', { most: MOST_SLOTS });
    const entry = await this.#book.entry(options.policy ?? 'strict');
    const workspace = workspaceOf(options.workspace);
    const place = this.#places.find(entry.policy, workspace, options.command);
    await this.#runners.prepare(entry, options, place, options.slots ?? DEFAULT_SLOTS);
  }

  /**
   * Many sandboxes under one pool of resources; cleans up first what managers left that died. Close it, or `await using`
   * it. It ends with this Caisson.
   *
   * @throws STORE_UNUSABLE, REQUEST_INVALID, PATH_ESCAPES, LAUNCHER_*
   */
  async manager(options: ManagerOptions = {}): Promise<SandboxManager> {
    if (this.#closed) throw closedError();
    const { SandboxManager } = await import('./sandbox/manager/sandbox-manager.ts');
    const manager = await SandboxManager.open(
      {
        run: (argv, place, id) => this.#requests.run(argv, place, id),
        spawn: (argv, place, id) => this.#requests.spawn(argv, place, id),
        freeze: async (id, frozen) => {
          const holder = this.#launchers.holderOf(id);
          if (holder === undefined) throw new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox' });
          await holder.freeze(id, frozen);
        },
        usage: async (id) => await this.#launchers.holderOf(id)?.usageOf(id),
        create: (place) => this.create(place),
        policy: (input) => this.#book.entry(input),
        keepReady: async (place, command, slots) => {
          if (!this.#closed) await this.#runners.keepReady(place, command, slots);
        },
        start: async () => {
          await this.#launchers.facts();
        },
        launchers: () => this.#launchers.live.flatMap(({ pid }) => pid ?? []),
        stateDirectory: this.#state(),
        recorder: this.#recorder,
        onClose: () => {
          this.#managers.delete(manager);
        },
      },
      options,
    );
    this.#managers.add(manager);
    if (this.#closed) await endedBy(manager);
    return manager;
  }

  /**
   * A registry of modules: small programs that are checked once and executed often; docs/modules.md. Close it, or
   * `await using` it. It ends with this Caisson.
   *
   * @throws STORE_UNUSABLE, REQUEST_INVALID, POLICY_INVALID, PATH_ESCAPES
   */
  async modules(options: ModulesOptions = {}): Promise<Modules> {
    if (this.#closed) throw closedError();
    const { Modules } = await import('./modules/modules.ts');
    const modules = await Modules.open(
      {
        evaluate: (program, where, decided) =>
          this.#requests.evaluate(() => program, where, decided),
        run: (argv, where, decided) => this.#requests.run(argv, where, newId('run'), decided),
        policy: async (input) => (await this.#book.entry(input)).policy,
        admit: (candidate, policy, place) => this.#gate.module(candidate, policy, place),
        observer: this.#recorder?.observer,
        telemetry: this.#telemetry,
        recorded: () => this.#recorder?.ready(),
        stateDirectory: this.#state(),
        onClose: () => this.#modules.delete(modules),
      },
      options,
    );
    this.#modules.add(modules);
    if (this.#closed) await endedBy(modules);
    return modules;
  }

  /**
   * Live usage of every sandbox of this Caisson and of the whole, by the ids of sandboxes and runs. Counts only while
   * somebody listens. It ends with this Caisson.
   *
   * @param options none: `samples` and `watch` take theirs
   * @example
   * using monitor = await caisson.monitor();
   * const { sandboxes, total } = await monitor.snapshot();
   */
  async monitor(options: Readonly<Record<string, never>> = {}): Promise<Monitor> {
    checkOptions(options, 'monitor', {});
    if (this.#closed) throw closedError();
    const [{ Monitor }, { readLiveUsage }] = await Promise.all([
      import('./observe/monitor/monitor.ts'),
      import('./sandbox/live-usage.ts'),
    ]);
    const monitor = new Monitor({
      source: () => readLiveUsage(this.#launchers.live, this.#networks.open),
      observer: this.#recorder?.observer,
      onClose: (closed) => this.#monitors.delete(closed),
    });
    this.#monitors.add(monitor);
    return monitor;
  }

  /** What enforces each clause of a policy on this host, and what cannot be enforced. Runs nothing; works everywhere. */
  async explain(policy: PolicyInput = 'strict', options: PlaceOptions = {}): Promise<Explanation> {
    this.#check(options, 'explain', PLACE);
    const entry = await this.#book.entry(policy);
    const workspace = workspaceOf(options.workspace);
    const { protect } = entry.policy;
    const looked =
      workspace === undefined || entry.policy.workspace.mode !== 'direct' || protect.length === 0
        ? undefined
        : unprotected(await protectionOf(protect, workspace));
    return explain(
      compileForExplain(entry.policy, await this.#launchers.facts(), {
        ...this.#places.find(entry.policy, workspace, undefined).compile,
        ...unisolated(options),
        ...(looked === undefined ? {} : { unenforceable: [looked] }),
      }),
    );
  }

  /** What this host offers, what is missing for each wall, and what cures it. */
  async doctor(): Promise<Diagnosis> {
    return diagnose(await this.#launchers.facts(), gatherSurroundings(), isolateEngineLacks());
  }

  /** The policy that a name or document stands for, and its digest; it can be handed in as a policy. @throws POLICY_INVALID */
  async policy(input: PolicyInput): Promise<ResolvedPolicy> {
    const { policy, digest } = await this.#book.entry(input);
    return { policy, digest };
  }

  async facts(): Promise<HostFacts> {
    return await this.#launchers.facts();
  }

  /** Every run whose changes are pending, oldest first. */
  async pendingChanges(): Promise<OverlayRecord[]> {
    const { Overlay } = await import('./sandbox/overlay.ts');
    return Overlay.list(this.#state());
  }

  /** The pending changes of an earlier run, by the id in its outcome. @throws PATH_MISSING */
  async changes(id: string): Promise<Changes> {
    requireText(id, 'the id of pending changes');
    const [{ Overlay }, { Changes }] = await Promise.all([
      import('./sandbox/overlay.ts'),
      import('./sandbox/changes.ts'),
    ]);
    return await Changes.read(Overlay.open(this.#state(), id), this.#launchers.program);
  }

  /** Closes every sandbox and ends the launcher. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#launchers.shut();
    for (const monitor of this.#monitors) monitor.close();
    await Promise.all([...this.#modules].map((modules) => modules.close()));
    await Promise.all([...this.#managers].map((manager) => manager.close()));
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox.close()));
    await this.#programs.close();
    await this.#gate.close();
    await this.#registry.close();
    await this.#launchers.close();
    await this.#networks.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What is refused here is recorded as any request is. @throws REQUEST_INVALID */
  #check(options: PlaceOptions, what: string, known: KnownOptions): void {
    try {
      checkOptions(options, what, known);
    } catch (error) {
      const tenant: unknown = options?.tenant;
      const whose = typeof tenant === 'string' ? { tenant } : {};
      throw this.#requests.refused(newId('run'), whose, error);
    }
  }

  /** What was made for a policy that nobody has used for long; false: something of it is running. */
  #forget(entry: PolicyEntry): boolean {
    if (!this.#programs.forget(entry)) return false;
    this.#runners.forget(entry);
    return true;
  }

  #state(): string {
    return this.#options.stateDirectory ?? defaultStateDirectory();
  }
}

/** It was closed while something of it was opened, which nobody would close any more. */
async function endedBy(opened: { close(): Promise<void> }): Promise<never> {
  await opened.close();
  throw closedError();
}

function noWorkspace(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: 'a program that is evaluated has no files, and so no workspace',
    hint: 'leave workspace out and hand in what it needs as arguments; WASM has wasm.preopens, and run, or eval of python and shell, has a workspace',
  });
}

/** Without types nobody keeps `new` from being written. */
function notOpened(): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: 'a Caisson is opened, not constructed',
    hint: 'write await Caisson.open()',
  });
}
