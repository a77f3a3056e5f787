/**
 * Many sandboxes at once under one pool of resources: who may run when, what runs, how each ends, and what is known of it
 * after the manager itself has died. docs/manager.md is its guide.
 *
 * Over 300 lines: the public surface, with what each method promises.
 */
import { join } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import { UuidSource } from '../../core/ids.ts';
import type { Outcome } from '../../core/outcome.ts';
import { identityOf, ownWorld, type ProcessIdentity } from '../../host/process-identity.ts';
import type { ManagedStore, ManagerRecord } from '../../store/managed-record.ts';
import { SqliteManagedStore } from '../../store/sqlite-managed-store.ts';
import type { PlaceOptions } from '../place-options.ts';
import { openStateDirectory } from '../state-directory.ts';
import { removeAbandoned } from '../work-in-progress.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Ending, Entry } from './entry.ts';
import { Kept } from './kept.ts';
import { infoOf, type ManagedFilter, type ManagedInfo, matches } from './managed-info.ts';
import type { ManagedSandbox } from './managed-sandbox.ts';
import type { ManagerHost } from './manager-host.ts';
import {
  checkCount,
  checkManaged,
  checkPool,
  defaultPool,
  type ManagedCreateOptions,
  type ManagedOptions,
  type ManagedRunOptions,
  type ManagerOptions,
  mostWarmSlots,
} from './manager-options.ts';
import { type Recovery, recover } from './recovery.ts';
import { capacityOf, meet, needsOf, type Resources } from './resources.ts';
import { Scheduler, type TenantLoad } from './scheduler.ts';
import { isFinal, type SandboxState, stateAfter } from './states.ts';
import { WarmSlots } from './warm-slots.ts';

export interface CloseManagerOptions {
  /** `kill` (default): everything is ended now. `drain`: what waits and runs goes on to its end; nothing new is taken. */
  readonly mode?: 'kill' | 'drain';
  /** Of a drain; then the rest is killed. Default: none. */
  readonly timeoutMs?: number;
}

export interface PoolLoad {
  readonly running: number;
  readonly waiting: number;
  readonly used: Resources;
  /** Infinity where it is not bounded. */
  readonly capacity: Resources;
  readonly tenants: readonly TenantLoad[];
}

const QUEUE_TOTAL = 10_000;
const AGING_MS = 10_000;
const KEEP_ENDED = 1000;
const PRUNE_EVERY = 256;

export class SandboxManager {
  /** UUIDv7. */
  readonly id: string;
  /** What earlier managers left that died, and what was done with it. */
  readonly recovered: Recovery;
  readonly #host: ManagerHost;
  readonly #options: ManagerOptions;
  readonly #store: ManagedStore;
  readonly #clock: Clock;
  readonly #ids: UuidSource;
  readonly #capacity: Resources;
  readonly #scheduler: Scheduler;
  readonly #warm: WarmSlots;
  readonly #keepEnded: number;
  readonly #entries = new Map<string, Entry>();
  readonly #kept = new Map<string, Kept>();
  readonly #ended: string[] = [];
  readonly #openedMs: number;
  #launchers: readonly ProcessIdentity[] = [];
  #ends = 0;
  #closing: Promise<void> | undefined;

  private constructor(
    host: ManagerHost,
    options: ManagerOptions,
    store: ManagedStore,
    recovered: Recovery,
  ) {
    this.#host = host;
    this.#options = options;
    this.#store = store;
    this.recovered = recovered;
    this.#clock = options.clock ?? systemClock;
    this.#ids = new UuidSource(() => this.#clock.wallMs());
    this.id = this.#ids.next();
    this.#openedMs = this.#clock.wallMs();
    this.#capacity = capacityOf(checkPool({ ...defaultPool(), ...options.pool }, 'pool'));
    this.#keepEnded = checkCount('keepEnded', options.keepEnded ?? KEEP_ENDED, 0);
    const queueTotal = checkCount('queue.total', options.queue?.total ?? QUEUE_TOTAL);
    this.#scheduler = new Scheduler({
      total: this.#capacity,
      perTenant: (tenant) => this.#capacityOf(tenant),
      weight: (tenant) => checkWeight(options.weight?.(tenant) ?? 1),
      queueTotal,
      queuePerTenant: checkCount(
        'queue.perTenant',
        options.queue?.perTenant ?? Math.ceil(queueTotal / 4),
      ),
      agingMs: checkCount('agingMs', options.agingMs ?? AGING_MS),
    });
    this.#warm = new WarmSlots(
      Math.min(checkCount('warmSlots', options.warmSlots ?? 0, 0), mostWarmSlots()),
    );
  }

  /**
   * Cleans up first what managers left that died. Call it through `caisson.manager()`.
   *
   * @throws STORE_UNUSABLE, REQUEST_INVALID, PATH_ESCAPES, LAUNCHER_*
   */
  static async open(host: ManagerHost, options: ManagerOptions = {}): Promise<SandboxManager> {
    const state = host.stateDirectory;
    const store = options.store ?? SqliteManagedStore.open(openStateDirectory(state));
    try {
      const recovered = await recover({
        store,
        adopt: options.adopt,
        discard: (manager) => discardChanges(state, manager),
      });
      const manager = new SandboxManager(host, options, store, recovered);
      await host.start();
      await manager.#rememberLaunchers();
      return manager;
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
    const { ttlMs, timeoutMs } = options;
    const entry = await this.#admit('run', options);
    const leave = listen(options.signal, entry);
    try {
      await this.#room(entry, options);
      this.#start(entry, options, argv[0]);
      const limitMs = Math.min(ttlMs ?? Infinity, timeoutMs ?? Infinity);
      const outcome = await this.#host.run(argv, {
        ...placeOf(options),
        ...execOf(options),
        ...(Number.isFinite(limitMs) ? { timeoutMs: limitMs } : {}),
        signal: entry.abort.signal,
      });
      this.#finish(entry, stateAfter(outcome), reasonOf(outcome));
      return outcome;
    } catch (error) {
      throw this.#failed(entry, error);
    } finally {
      leave();
    }
  }

  /**
   * A sandbox that stays, once there is room for it; close it, and its room is free again.
   *
   * @throws as {@link run}
   */
  async create(options: ManagedCreateOptions = {}): Promise<ManagedSandbox> {
    const entry = await this.#admit('sandbox', options);
    const leave = listen(options.signal, entry);
    entry.ended.then(leave);
    try {
      await this.#room(entry, options);
      this.#want(entry, options, undefined);
      const sandbox = await this.#host.create(placeOf(options));
      if (entry.ending !== undefined) {
        await sandbox.close();
        throw entry.abort.signal.reason;
      }
      this.#start(entry, options, undefined, { sandbox: sandbox.id });
      const kept = new Kept({
        entry,
        sandbox,
        ttlMs: options.ttlMs,
        idleTimeoutMs: options.idleTimeoutMs,
        onEnd: (state, reason) => {
          this.#kept.delete(entry.id);
          this.#finish(entry, state, reason);
        },
      });
      this.#kept.set(entry.id, kept);
      return kept.handle;
    } catch (error) {
      throw this.#failed(entry, error);
    }
  }

  /** Everything that is there, and what ended last; oldest first. */
  list(filter: ManagedFilter = {}): ManagedInfo[] {
    return [...this.#entries.values()]
      .filter((entry) => matches(entry, filter))
      .map((entry) => this.#info(entry));
  }

  /** @throws REQUEST_INVALID for an id that is not known (any more) */
  inspect(id: string): ManagedInfo {
    return this.#info(this.#entry(id));
  }

  /** Settles when it has ended. @throws REQUEST_INVALID */
  async wait(id: string): Promise<ManagedInfo> {
    const entry = this.#entry(id);
    await entry.ended;
    return this.#info(entry);
  }

  /** Ends it, also where it waits or is paused; settles when nothing of it is left. @throws REQUEST_INVALID */
  async kill(id: string, reason = 'its owner killed it'): Promise<ManagedInfo> {
    const entry = this.#entry(id);
    entry.end({ state: 'Killed', reason });
    await entry.ended;
    return this.#info(entry);
  }

  /** All that match and have not ended. @returns what became of them */
  async killAll(filter: ManagedFilter = {}, reason?: string): Promise<ManagedInfo[]> {
    const live = this.#live().filter((entry) => matches(entry, filter));
    return await Promise.all(live.map(({ id }) => this.kill(id, reason)));
  }

  /** Stops everything in it where it stands; its time to live goes on. @throws REQUEST_INVALID */
  async pause(id: string): Promise<void> {
    await this.#needKept(id).pause();
  }

  /** @throws REQUEST_INVALID */
  async resume(id: string): Promise<void> {
    await this.#needKept(id).resume();
  }

  /** How full the pool is. */
  load(): PoolLoad {
    const { running, waiting, used } = this.#scheduler;
    const tenants = this.#scheduler.tenants();
    return { running, waiting, used, capacity: this.#capacity, tenants };
  }

  /** Ends everything, at once or when it is done; then the manager is forgotten. Idempotent. */
  close(options: CloseManagerOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close({ mode = 'kill', timeoutMs }: CloseManagerOptions): Promise<void> {
    const ending: Ending = { state: 'Killed', reason: 'its manager was closed' };
    const endAll = (): void => {
      for (const entry of this.#live()) entry.end(ending);
    };
    const timer =
      mode === 'drain' && timeoutMs !== undefined ? setTimeout(endAll, timeoutMs) : undefined;
    if (mode === 'kill') endAll();
    await Promise.all(this.#live().map(({ ended }) => ended));
    clearTimeout(timer);
    this.#warm.stop();
    this.#host.onClose();
    try {
      await this.#store.removeManager(this.id);
    } finally {
      await this.#store.close();
    }
  }

  async #admit(
    kind: 'run' | 'sandbox',
    options: ManagedCreateOptions & ManagedRunOptions,
  ): Promise<Entry> {
    this.#needOpen();
    checkManaged(options);
    if (options.signal?.aborted === true) throw gaveUp(options.signal);
    const { policy, digest } = await this.#host.policy(options.policy ?? 'strict');
    this.#needOpen();
    const { tenant = '', priority = 0, labels = {} } = options;
    const now = this.#clock.monotonicMs();
    const id = this.#ids.next();
    const need = needsOf(policy, meet(this.#capacity, this.#capacityOf(tenant)));
    this.#scheduler.enqueue({ id, tenant, priority, need, nowMs: now });
    const entry = new Entry({
      record: {
        id,
        manager: this.id,
        kind,
        state: 'Initializing',
        tenant,
        labels: { ...labels },
        priority,
        policyDigest: digest,
        createdMs: this.#clock.wallMs(),
        createdMonotonicMs: now,
      },
      need,
      clock: this.#clock,
      store: this.#store,
      observer: (event) => {
        this.#host.observer?.(event);
        this.#options.observer?.(event);
      },
    });
    this.#entries.set(id, entry);
    try {
      await entry.remember();
    } catch (error) {
      throw this.#failed(entry, error);
    }
    this.#pump();
    return entry;
  }

  async #room(entry: Entry, { queueTimeoutMs }: ManagedOptions): Promise<void> {
    if (!entry.isWaiting) return await entry.room;
    const timer =
      queueTimeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            if (!entry.isWaiting) return;
            entry.end({ state: 'TimedOut', reason: `it waited ${queueTimeoutMs} ms for room` });
          }, queueTimeoutMs);
    try {
      await entry.room;
    } finally {
      clearTimeout(timer);
    }
  }

  #start(
    entry: Entry,
    options: ManagedOptions,
    command: string | undefined,
    made: { sandbox?: string } = {},
  ): void {
    const { ttlMs } = options;
    if (command !== undefined) this.#want(entry, options, command);
    const now = this.#clock.monotonicMs();
    entry.become('Running', {
      ...made,
      startedMonotonicMs: now,
      ...(ttlMs === undefined ? {} : { deadlineMonotonicMs: now + ttlMs }),
    });
    const launchers = this.#host.launchers();
    const known = this.#launchers;
    if (launchers.length !== known.length || launchers.some((pid, i) => pid !== known[i]?.pid)) {
      // It is written before the next one; a launcher that nobody has written down ends with us all the same.
      this.#rememberLaunchers().catch(() => {});
    }
  }

  #want(entry: Entry, options: ManagedOptions, command: string | undefined): void {
    const place = placeOf(options);
    const { workspace, tenant, accept, allowUnisolated } = place;
    const { policyDigest } = entry.record;
    this.#warm.want({
      key: JSON.stringify([policyDigest, workspace, tenant, accept, allowUnisolated, command]),
      keepReady: (slots) => this.#host.keepReady(place, command, slots),
    });
  }

  #finish(entry: Entry, state: SandboxState, reason: string | undefined): void {
    if (entry.isFinal) return;
    this.#scheduler.withdraw(entry.id);
    this.#scheduler.release(entry.id);
    entry.become(state, reason === undefined ? {} : { reason });
    this.#ended.push(entry.id);
    while (this.#ended.length > this.#keepEnded) this.#entries.delete(this.#ended.shift() ?? '');
    if (++this.#ends % PRUNE_EVERY === 0)
      this.#store.prune(this.id, this.#keepEnded).catch(() => {});
    this.#pump();
  }

  /** It has not come to an outcome. @returns what its caller is told */
  #failed(entry: Entry, error: unknown): unknown {
    const { ending } = entry;
    const reason = ending?.reason ?? (error instanceof Error ? error.message : String(error));
    this.#finish(entry, ending?.state ?? 'Failed', reason);
    return ending === undefined ? error : entry.abort.signal.reason;
  }

  #pump(): void {
    for (const id of this.#scheduler.next()) this.#entries.get(id)?.give();
  }

  #info(entry: Entry): ManagedInfo {
    return infoOf(entry, this.#clock.monotonicMs(), async () => {
      try {
        return await this.#kept.get(entry.id)?.usage();
      } catch (error) {
        if (isFinal(entry.state) || entry.ending !== undefined) return undefined;
        throw error;
      }
    });
  }

  #live(): Entry[] {
    return [...this.#entries.values()].filter(({ isFinal }) => !isFinal);
  }

  #capacityOf(tenant: string): Resources {
    const { perTenant } = this.#options;
    const limits = typeof perTenant === 'function' ? perTenant(tenant) : perTenant;
    if (limits === undefined) return this.#capacity;
    return meet(this.#capacity, capacityOf(checkPool(limits, 'perTenant')));
  }

  async #rememberLaunchers(): Promise<void> {
    this.#launchers = this.#host.launchers().flatMap((pid) => identityOf(pid) ?? []);
    const own = identityOf(process.pid);
    if (own === undefined) throw new CaissonError('INTERNAL', { layer: 'sandbox' });
    await this.#store.putManager({
      id: this.id,
      process: own,
      ...ownWorld(),
      launchers: [...this.#launchers],
      openedMs: this.#openedMs,
    });
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `no sandbox ${id} is known here (any more)`,
      hint: 'list() shows what is',
    });
  }

  #needKept(id: string): Kept {
    const { state, record } = this.#entry(id);
    const kept = this.#kept.get(id);
    if (kept !== undefined) return kept;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message:
        record.kind === 'run'
          ? `${id} is one command, which cannot be paused`
          : `the sandbox ${id} is ${state}`,
      hint: 'create() makes sandboxes that can be paused while they run',
      details: { id, state },
    });
  }

  #needOpen(): void {
    if (this.#closing === undefined) return;
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'sandbox',
      message: 'this manager is closed',
      hint: 'open another one',
    });
  }
}

function placeOf(options: PlaceOptions): PlaceOptions {
  const { policy, workspace, accept, allowUnisolated, tenant } = options;
  return {
    ...(policy === undefined ? {} : { policy }),
    ...(workspace === undefined ? {} : { workspace }),
    ...(accept === undefined ? {} : { accept }),
    ...(allowUnisolated === undefined ? {} : { allowUnisolated }),
    ...(tenant === undefined ? {} : { tenant }),
  };
}

function execOf({ cwd, env, input }: ManagedRunOptions): Pick<ManagedRunOptions, 'cwd' | 'env'> {
  return {
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(input === undefined ? {} : { input }),
  };
}

/** The caller's signal ends the entry. @returns stops listening */
function listen(signal: AbortSignal | undefined, entry: Entry): () => void {
  const onAbort = (): void => {
    entry.end({ state: 'Killed', reason: 'its caller gave up' });
  };
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => signal?.removeEventListener('abort', onAbort);
}

function reasonOf({ kind, code, signal, clock }: Outcome): string | undefined {
  if (kind === 'exited') return code === 0 ? undefined : `exit code ${code}`;
  return [kind, signal, clock].filter((word) => word !== undefined).join(' ');
}

function gaveUp(signal: AbortSignal): CaissonError {
  return new CaissonError('ABORTED', { layer: 'sandbox', cause: signal.reason });
}

function checkWeight(weight: number): number {
  if (Number.isFinite(weight) && weight > 0) return weight;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `the weight ${weight} cannot be`,
    hint: 'give a number above 0',
  });
}

/** What the process of a dead manager was at work on: nobody can go on with it. @returns the directories */
async function discardChanges(state: string, manager: ManagerRecord): Promise<string[]> {
  const { Overlay } = await import('../overlay.ts');
  const discarded: string[] = [];
  for (const { id, owner } of Overlay.list(state)) {
    const isIts =
      owner?.pid === manager.process.pid &&
      owner.startTime === manager.process.startTime &&
      owner.bootId === manager.bootId;
    if (!isIts) continue;
    const overlay = Overlay.open(state, id);
    await overlay.discard();
    discarded.push(overlay.directory);
  }
  for (const name of ['overlays', 'networks']) {
    const home = openStateDirectory(join(openStateDirectory(state), name));
    discarded.push(...(await removeAbandoned(home)));
  }
  return discarded;
}
