/**
 * One managed run or sandbox, from its request to its end: its state, its record in the store, whoever waits for it.
 */
import { CaissonError } from '../../core/error.ts';
import type { Observer } from '../../core/ports.ts';
import type { ManagedRecord, ManagedStore } from '../../store/managed-record.ts';
import type { Clock } from './clock.ts';
import type { Resources } from './resources.ts';
import { isFinal, requireTransition, type SandboxState } from './states.ts';

/** How it is ended from outside: what it becomes, and why. */
export interface Ending {
  readonly state: 'Killed' | 'TimedOut';
  readonly reason: string;
}

export interface EntrySetup {
  readonly record: ManagedRecord;
  readonly need: Resources;
  readonly clock: Clock;
  readonly store: ManagedStore;
  readonly observer: Observer;
}

/** Of whatever has ended. */
const OVER = new AbortController();
OVER.abort(
  new CaissonError('SANDBOX_CLOSED', { layer: 'sandbox', message: 'the sandbox has ended' }),
);
const NO_ROOM = Promise.withResolvers<void>();
NO_ROOM.promise.catch(() => {});
NO_ROOM.reject(OVER.signal.reason);

export class Entry {
  readonly id: string;
  readonly tenant: string;
  readonly need: Resources;
  /** Settles in its final state, with its room free again. */
  readonly ended: Promise<void>;
  readonly #setup: EntrySetup;
  #abort = new AbortController();
  #room = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #record: ManagedRecord;
  #hasRoom = false;
  #ending: Ending | undefined;
  #unrecorded: string | undefined;

  constructor(setup: EntrySetup) {
    this.#setup = setup;
    this.#record = setup.record;
    this.id = setup.record.id;
    this.tenant = setup.record.tenant;
    this.need = setup.need;
    this.ended = this.#ended.promise;
    this.#room.promise.catch(() => {});
  }

  /** Settles when there is room for it; rejects when it gives its place up. */
  get room(): Promise<void> {
    return this.#room.promise;
  }

  /** Tells to end whatever runs in it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get record(): ManagedRecord {
    return this.#record;
  }

  get state(): SandboxState {
    return this.#record.state;
  }

  get isFinal(): boolean {
    return isFinal(this.#record.state);
  }

  /** It waits for room in the pool. */
  get isWaiting(): boolean {
    return !this.#hasRoom && !this.isFinal;
  }

  /** What it was told to become. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** Why the store does not know its present state. */
  get unrecorded(): string | undefined {
    return this.#unrecorded;
  }

  /** Written before anything of it exists, so that a manager that dies leaves nothing that its successor has not heard of. */
  async remember(): Promise<void> {
    const { store, observer } = this.#setup;
    await store.put(this.#record);
    const { id, tenant, state } = this.#record;
    observer({ kind: 'state', id, ...(tenant === '' ? {} : { tenant }), state });
  }

  give(): void {
    this.#hasRoom = true;
    this.#room.resolve();
  }

  /** The first order to end it counts. @returns whether this was the first */
  end(ending: Ending): boolean {
    if (this.isFinal || this.#ending !== undefined) return false;
    this.#ending = ending;
    if (this.isWaiting) this.#room.reject(this.#endedError());
    this.#abort.abort(this.#endedError());
    return true;
  }

  become(state: SandboxState, more: Partial<ManagedRecord> = {}): void {
    requireTransition(this.#record.state, state);
    const { clock, observer } = this.#setup;
    const now = clock.monotonicMs();
    const { reason: _old, ...kept } = this.#record;
    this.#record = {
      ...kept,
      ...more,
      state,
      ...(isFinal(state) ? { endedMonotonicMs: now } : {}),
    };
    this.#write();
    const { id, tenant, reason, sandbox } = this.#record;
    observer({
      kind: 'state',
      id,
      ...(sandbox === undefined ? {} : { sandbox }),
      ...(tenant === '' ? {} : { tenant }),
      state,
      ...(reason === undefined ? {} : { reason }),
    });
    if (!isFinal(state)) return;
    this.#forget();
    this.#ended.resolve();
  }

  /**
   * It stays known for long, and what ran in it does not: listeners of its signal, and the error that was its reason, whose
   * stack holds on to whatever the functions on it close over until somebody reads it (V8, ErrorUtils::GetFormattedStack).
   */
  #forget(): void {
    this.#abort = OVER;
    this.#room = NO_ROOM;
  }

  /** Something else is known of it now; nobody waits for it, and it is no news. */
  note(more: Partial<ManagedRecord>): void {
    this.#record = { ...this.#record, ...more };
    this.#write();
  }

  #write(): void {
    this.#setup.store.putSoon(this.#record).then(
      () => {
        this.#unrecorded = undefined;
      },
      (error: Error) => {
        this.#unrecorded = error.message;
      },
    );
  }

  /** What its caller is told whose run or sandbox was ended from outside. */
  #endedError(): CaissonError {
    const { state, reason } = this.#ending as Ending;
    const waited = this.isWaiting && state === 'TimedOut';
    return new CaissonError(waited ? 'RESOURCE_EXHAUSTED' : 'ABORTED', {
      layer: 'sandbox',
      message: `the sandbox ${this.id} was ended: ${reason}`,
      ...(waited ? { hint: 'try again later, or let it wait longer (queueTimeoutMs)' } : {}),
      details: { id: this.id, state },
    });
  }
}
