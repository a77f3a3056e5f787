/**
 * The way of each request from its place in the queue to its end, and what a manager holds meanwhile.
 */
import { CaissonError } from '../../core/error.ts';
import { UuidSource } from '../../core/ids.ts';
import type { Usage } from '../../core/outcome.ts';
import type { Observer } from '../../core/ports.ts';
import type { Policy } from '../../policy/policy.ts';
import type { ManagedStore } from '../../store/managed-record.ts';
import type { Clock } from './clock.ts';
import { Entry } from './entry.ts';
import { infoOf, type ManagedInfo } from './managed-info.ts';
import type { ManagerHost } from './manager-host.ts';
import {
  checkCount,
  checkManaged,
  type ManagedCreateOptions,
  type ManagedOptions,
  type ManagedRunOptions,
  type ManagerOptions,
  mostWarmSlots,
} from './manager-options.ts';
import { OwnRecord } from './own-record.ts';
import { Pool } from './pool.ts';
import { ProcessNotes } from './process-notes.ts';
import { Roster } from './roster.ts';
import { placeOf } from './run-options.ts';
import { isFinal, type SandboxState } from './states.ts';
import { WarmSlots } from './warm-slots.ts';

/** What is there and can be asked. */
export interface Active {
  pause(): Promise<void>;
  resume(): Promise<void>;
  usage(): Promise<Usage | undefined>;
}

export interface LifecycleSetup {
  readonly host: ManagerHost;
  readonly options: ManagerOptions;
  readonly store: ManagedStore;
  readonly clock: Clock;
  readonly observer: Observer;
}

export interface Admitted {
  readonly entry: Entry;
  readonly policy: Policy;
}

const KEEP_ENDED = 1000;

export class Lifecycle {
  /** Id of the manager, UUIDv7. */
  readonly manager: string;
  readonly pool: Pool;
  readonly roster: Roster;
  readonly #setup: LifecycleSetup;
  readonly #ids: UuidSource;
  readonly #warm: WarmSlots;
  readonly #active = new Map<string, Active>();
  readonly #notes: ProcessNotes;
  readonly #own: OwnRecord;
  #isShut = false;

  /** @throws REQUEST_INVALID */
  constructor(setup: LifecycleSetup) {
    const { host, options, store, clock } = setup;
    this.#setup = setup;
    this.#ids = new UuidSource(() => clock.wallMs());
    this.manager = this.#ids.next();
    this.pool = new Pool(options);
    const keepEnded = checkCount('keepEnded', options.keepEnded ?? KEEP_ENDED, 0);
    this.roster = new Roster(this.manager, store, keepEnded);
    const warmSlots = checkCount('warmSlots', options.warmSlots ?? 0, 0);
    this.#warm = new WarmSlots(Math.min(warmSlots, mostWarmSlots()));
    this.#notes = new ProcessNotes(async (sandbox) => (await host.usage(sandbox))?.pid);
    this.#own = new OwnRecord(this.manager, clock.wallMs(), store, host);
  }

  /** The launcher is there before anything runs in it, and written down. */
  async open(): Promise<void> {
    await this.#setup.host.start();
    await this.#own.write();
  }

  /** Nothing new is taken from now on. */
  shut(): void {
    this.#isShut = true;
  }

  /** All has ended. */
  end(): void {
    this.#warm.stop();
    this.#notes.stop();
  }

  /** It waits for room from now on. @throws QUEUE_FULL, REQUEST_INVALID, ABORTED, STORE_UNUSABLE, SANDBOX_CLOSED */
  async admit(
    kind: 'run' | 'sandbox',
    options: ManagedCreateOptions & ManagedRunOptions,
  ): Promise<{ entry: Entry; policy: Policy }> {
    this.#needOpen();
    checkManaged(options);
    if (options.signal?.aborted === true) throw gaveUp(options.signal);
    const { policy, digest } = await this.#setup.host.policy(options.policy ?? 'strict');
    this.#needOpen();
    const { tenant = '', priority = 0, labels = {} } = options;
    const now = this.#setup.clock.monotonicMs();
    const id = this.#ids.next();
    const need = this.pool.need(policy, tenant);
    this.pool.enqueue({ id, tenant, priority, need, nowMs: now });
    const entry = new Entry({
      record: {
        id,
        manager: this.manager,
        kind,
        state: 'Initializing',
        tenant,
        labels: { ...labels },
        priority,
        policyDigest: digest,
        createdMs: this.#setup.clock.wallMs(),
        createdMonotonicMs: now,
      },
      need,
      clock: this.#setup.clock,
      store: this.#setup.store,
      observer: this.#setup.observer,
    });
    this.roster.add(entry);
    try {
      await entry.remember();
    } catch (error) {
      throw this.failed(entry, error);
    }
    this.#pump();
    return { entry, policy };
  }

  /** It has room: it is kept warm for its like, also where the rest fails. @param command absent: it stays */
  want(entry: Entry, options: ManagedOptions, command: string | undefined): void {
    const place = placeOf(options);
    const { workspace, tenant, accept, allowUnisolated, recycleNetwork } = place;
    const { policyDigest } = entry.record;
    this.#warm.want({
      key: JSON.stringify([
        policyDigest,
        workspace,
        tenant,
        accept,
        allowUnisolated,
        recycleNetwork,
        command,
      ]),
      keepReady: (slots) => this.#setup.host.keepReady(place, command, slots),
    });
  }

  /** @param sandbox its name in audit, events and live usage */
  start(entry: Entry, ttlMs: number | undefined, sandbox: string): void {
    const now = this.#setup.clock.monotonicMs();
    entry.become('Running', {
      sandbox,
      startedMonotonicMs: now,
      ...(ttlMs === undefined ? {} : { deadlineMonotonicMs: now + ttlMs }),
    });
    this.#notes.follow(entry);
    this.#own.update();
  }

  /** From now on it can be paused and asked. */
  hold(entry: Entry, active: Active): void {
    if (!entry.isFinal) this.#active.set(entry.id, active);
  }

  /** Its room is another's. Idempotent. */
  finish(entry: Entry, state: SandboxState, reason: string | undefined): void {
    if (entry.isFinal) return;
    this.#active.delete(entry.id);
    this.pool.leave(entry.id);
    entry.become(state, reason === undefined ? {} : { reason });
    this.roster.ended(entry);
    this.#pump();
  }

  /** It has not come to an outcome. @returns what its caller is told */
  failed(entry: Entry, error: unknown): unknown {
    const { ending, signal } = entry;
    const reason = ending?.reason ?? (error instanceof Error ? error.message : String(error));
    this.finish(entry, ending?.state ?? 'Failed', reason);
    return ending === undefined ? error : signal.reason;
  }

  #pump(): void {
    for (const id of this.pool.next()) this.roster.find(id)?.give();
  }

  info(entry: Entry): ManagedInfo {
    return infoOf(entry, this.#setup.clock.monotonicMs(), async () => {
      try {
        return await this.#active.get(entry.id)?.usage();
      } catch (error) {
        if (isFinal(entry.state) || entry.ending !== undefined) return undefined;
        throw error;
      }
    });
  }

  /** @throws REQUEST_INVALID where nothing of it is there */
  active(id: string): Active {
    const { state } = this.roster.get(id);
    const active = this.#active.get(id);
    if (active !== undefined) return active;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `${id} is ${state}: there is nothing of it that could be paused`,
      details: { id, state },
    });
  }

  #needOpen(): void {
    if (!this.#isShut) return;
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'sandbox',
      message: 'this manager is closed',
      hint: 'open another one',
    });
  }
}

function gaveUp(signal: AbortSignal): CaissonError {
  return new CaissonError('ABORTED', { layer: 'sandbox', cause: signal.reason });
}
