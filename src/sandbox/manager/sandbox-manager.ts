/**
 * Many sandboxes at once under one pool of resources: who may run when, what runs, how each ends, and what is known of it
 * after the manager itself has died. docs/manager.md is its guide.
 */
import { newId } from '../../core/ids.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Observer } from '../../core/ports.ts';
import { checkOptions } from '../../policy/known-options.ts';
import type { ManagedStore } from '../../store/managed-record.ts';
import { SqliteManagedStore } from '../../store/sqlite-managed-store.ts';
import { requireWhole } from '../given-values.ts';
import type { GuestProcess } from '../guest-process.ts';
import { CLOSE_MANAGER, MANAGED, MANAGER } from '../option-kinds.ts';
import { requireArgv } from '../require-argv.ts';
import type { Sandbox } from '../sandbox.ts';
import { openStateDirectory } from '../state-directory.ts';
import { systemClock } from './clock.ts';
import { discardChanges } from './discard-changes.ts';
import type { Ending } from './entry.ts';
import { Kept } from './kept.ts';
import { Lifecycle } from './lifecycle.ts';
import { ManagedCommand } from './managed-command.ts';
import type { ManagedFilter, ManagedInfo } from './managed-info.ts';
import type { ManagedSandbox } from './managed-sandbox.ts';
import type { ManagerHost } from './manager-host.ts';
import {
  checkMs,
  type ManagedCreateOptions,
  type ManagedRunOptions,
  type ManagedSpawnOptions,
  type ManagerOptions,
} from './manager-options.ts';
import type { PoolLoad } from './pool.ts';
import { type Recovery, recover } from './recovery.ts';
import { execOf, ownOf, placeOf, reasonOf, spawnOf } from './run-options.ts';
import { stateAfter } from './states.ts';
import { waitForRoom, whileItWants } from './waiting.ts';

export type { PoolLoad } from './pool.ts';

export interface CloseManagerOptions {
  /** `kill` (default): everything is ended now. `drain`: what waits and runs goes on to its end; nothing new is taken. */
  readonly mode?: 'kill' | 'drain';
  /** Of a drain; then the rest is killed. Default: none. */
  readonly timeoutMs?: number;
  /** Told to whoever waits for what is killed; default `its manager was closed`. */
  readonly reason?: string;
}

export class SandboxManager {
  /** UUIDv7. */
  readonly id: string;
  /** What earlier managers left that died, and what was done with it. */
  readonly recovered: Recovery;
  readonly #host: ManagerHost;
  readonly #store: ManagedStore;
  readonly #life: Lifecycle;
  readonly #lastly: ManagerOptions['lastly'];
  #closing: Promise<void> | undefined;

  private constructor(
    host: ManagerHost,
    store: ManagedStore,
    life: Lifecycle,
    recovered: Recovery,
    lastly: ManagerOptions['lastly'],
  ) {
    this.#host = host;
    this.#store = store;
    this.#life = life;
    this.recovered = recovered;
    this.#lastly = lastly;
    this.id = life.manager;
  }

  /**
   * Cleans up first what managers left that died. Call it through `caisson.manager()`.
   *
   * @throws STORE_UNUSABLE, REQUEST_INVALID, PATH_ESCAPES, LAUNCHER_*
   */
  static async open(host: ManagerHost, options: ManagerOptions = {}): Promise<SandboxManager> {
    checkOptions(options, 'manager', MANAGER);
    const state = host.stateDirectory;
    const store = options.store ?? SqliteManagedStore.open(openStateDirectory(state));
    try {
      const observer: Observer = (event) => {
        host.recorder?.observer(event);
        options.observer?.(event);
      };
      const recovered = await recover({
        store,
        observer,
        recorded: async () => await host.recorder?.written?.(),
        discard: (manager) => discardChanges(state, manager),
      });
      const clock = options.clock ?? systemClock;
      const life = new Lifecycle({ host, options, store, clock, observer });
      await life.open();
      return new SandboxManager(host, store, life, recovered, options.lastly);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * One command in a sandbox of its own, once there is room for it.
   *
   * @throws QUEUE_FULL, RESOURCE_EXHAUSTED (it waited longer than it may), ABORTED (killed, or its caller gave up),
   * STORE_UNUSABLE, SANDBOX_CLOSED, and what `Caisson.run` throws
   */
  async run(argv: readonly string[], options: ManagedRunOptions = {}): Promise<Outcome> {
    checkOptions(options, 'run', MANAGED.run);
    requireWhole(options.timeoutMs, 'timeoutMs', { least: 1 });
    requireArgv(argv);
    const { entry, policy } = await this.#life.admit('run', options);
    const leave = whileItWants(options.signal, entry);
    try {
      await waitForRoom(entry, options.queueTimeoutMs);
      const run = newId('run');
      this.#life.want(entry, options, argv[0]);
      this.#life.hold(entry, new ManagedCommand({ entry, policy, host: this.#host, run }));
      this.#life.start(entry, options.ttlMs, run);
      const { signal } = entry;
      const outcome = await this.#host.run(
        argv,
        { ...placeOf(options), ...ownOf(options), ...execOf(options), signal },
        run,
      );
      this.#life.finish(entry, stateAfter(outcome), reasonOf(outcome));
      return outcome;
    } catch (error) {
      throw this.#life.failed(entry, error);
    } finally {
      leave();
    }
  }

  /**
   * As {@link run}, with its streams, once it has been given to a sandbox. Killing it by its id ends it too.
   *
   * @throws as {@link run}; what goes wrong later comes through the outcome
   */
  async spawn(
    argv: readonly string[],
    options: ManagedSpawnOptions = {},
  ): Promise<{ readonly id: string; readonly guest: GuestProcess }> {
    checkOptions(options, 'spawn', MANAGED.spawn);
    requireWhole(options.timeoutMs, 'timeoutMs', { least: 1 });
    requireArgv(argv);
    const { entry, policy } = await this.#life.admit('run', options);
    entry.ended.then(whileItWants(options.signal, entry));
    try {
      await waitForRoom(entry, options.queueTimeoutMs);
      const run = newId('run');
      this.#life.hold(entry, new ManagedCommand({ entry, policy, host: this.#host, run }));
      this.#life.start(entry, options.ttlMs, run);
      const { signal } = entry;
      const guest = await this.#host.spawn(
        argv,
        { ...placeOf(options), ...ownOf(options), ...spawnOf(options), signal },
        run,
      );
      guest.outcome.then(
        (outcome) => this.#life.finish(entry, stateAfter(outcome), reasonOf(outcome)),
        (error) => this.#life.failed(entry, error),
      );
      return { id: entry.id, guest };
    } catch (error) {
      throw this.#life.failed(entry, error);
    }
  }

  /**
   * A sandbox that stays, once there is room for it; close it, and its room is free again.
   *
   * @throws as {@link run}
   */
  async create(options: ManagedCreateOptions = {}): Promise<ManagedSandbox> {
    checkOptions(options, 'create', MANAGED.create);
    return await this.#keep(options, () =>
      this.#host.create({ ...placeOf(options), ...ownOf(options) }),
    );
  }

  /** @param open makes it, once there is room; gives it up when the signal fires, where it can */
  async #keep(
    options: ManagedCreateOptions,
    open: (signal: AbortSignal) => Promise<Sandbox>,
  ): Promise<ManagedSandbox> {
    const { entry } = await this.#life.admit('sandbox', options);
    entry.ended.then(whileItWants(options.signal, entry));
    try {
      await waitForRoom(entry, options.queueTimeoutMs);
      this.#life.want(entry, options, undefined);
      const sandbox = await open(entry.signal);
      if (entry.ending !== undefined) {
        await sandbox.close();
        throw entry.signal.reason;
      }
      this.#life.start(entry, options.ttlMs, sandbox.id);
      const kept = new Kept({
        entry,
        sandbox,
        ttlMs: options.ttlMs,
        idleTimeoutMs: options.idleTimeoutMs,
        twin: (more, make) => this.#keep({ ...options, ...more }, make),
        onEnd: (state, reason) => this.#life.finish(entry, state, reason),
      });
      this.#life.hold(entry, kept);
      return kept.handle;
    } catch (error) {
      throw this.#life.failed(entry, error);
    }
  }

  /** Everything that is there, and what ended last; oldest first. */
  list(filter: ManagedFilter = {}): ManagedInfo[] {
    checkOptions(filter, 'list', MANAGED.filter);
    return this.#life.roster.matching(filter).map((entry) => this.#life.info(entry));
  }

  /** @throws REQUEST_INVALID for an id that is not known (any more) */
  inspect(id: string): ManagedInfo {
    return this.#life.info(this.#life.roster.get(id));
  }

  /** Settles when it has ended. @throws REQUEST_INVALID */
  async wait(id: string): Promise<ManagedInfo> {
    const entry = this.#life.roster.get(id);
    await entry.ended;
    return this.#life.info(entry);
  }

  /** Ends it, also where it waits or is paused; settles when nothing of it is left. @throws REQUEST_INVALID */
  async kill(id: string, reason = 'its owner killed it'): Promise<ManagedInfo> {
    const entry = this.#life.roster.get(id);
    entry.end({ state: 'Killed', reason });
    await entry.ended;
    return this.#life.info(entry);
  }

  /** All that match and have not ended. @returns what became of them */
  async killAll(filter: ManagedFilter = {}, reason?: string): Promise<ManagedInfo[]> {
    checkOptions(filter, 'killAll', MANAGED.filter);
    return await Promise.all(this.#life.roster.live(filter).map(({ id }) => this.kill(id, reason)));
  }

  /**
   * Stops everything in it where it stands, a sandbox or a run. Its clocks go on: its time limit, its time to live.
   *
   * @throws REQUEST_INVALID unless it is running, and has a control group of its own
   */
  async pause(id: string): Promise<void> {
    await this.#life.active(id).pause();
  }

  /** @throws REQUEST_INVALID unless it is paused */
  async resume(id: string): Promise<void> {
    await this.#life.active(id).resume();
  }

  /** How full the pool is. */
  load(): PoolLoad {
    return this.#life.pool.load();
  }

  /** Ends everything, at once or when it is done; then the manager is forgotten. Idempotent. */
  async close(options: CloseManagerOptions = {}): Promise<void> {
    checkOptions(options, 'close', CLOSE_MANAGER);
    checkMs('timeoutMs', options.timeoutMs);
    this.#life.shut();
    this.#closing ??= this.#close(options);
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close({
    mode = 'kill',
    timeoutMs,
    reason = 'its manager was closed',
  }: CloseManagerOptions): Promise<void> {
    const ending: Ending = { state: 'Killed', reason };
    const endAll = (): void => {
      for (const entry of this.#life.roster.live()) entry.end(ending);
    };
    const timer =
      mode === 'drain' && timeoutMs !== undefined ? setTimeout(endAll, timeoutMs) : undefined;
    if (mode === 'kill') endAll();
    await Promise.all(this.#life.roster.live().map(({ ended }) => ended));
    clearTimeout(timer);
    this.#life.end();
    this.#host.onClose();
    try {
      await this.#lastly?.();
      // Forgotten where it is remembered how each one ended.
      await this.#host.recorder?.written?.();
      await this.#store.removeManager(this.id);
    } finally {
      await this.#store.close();
    }
  }
}
