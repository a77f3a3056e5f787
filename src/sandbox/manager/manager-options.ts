/**
 * What a manager is made with, and what it is asked for.
 */
import { availableParallelism, totalmem } from 'node:os';
import { CaissonError } from '../../core/error.ts';
import type { Observer } from '../../core/ports.ts';
import { checkOptions } from '../../policy/known-options.ts';
import type { ManagedStore } from '../../store/managed-record.ts';
import type { ExecOptions, SpawnOptions } from '../exec-options.ts';
import { LONGEST_MS } from '../given-values.ts';
import { POOL } from '../option-kinds.ts';
import type { PlaceOptions } from '../place-options.ts';
import type { NetworkOptions } from '../run-network.ts';
import type { PendingOptions } from '../settle-changes.ts';
import type { Clock } from './clock.ts';
import { DIMENSIONS, type PoolLimits } from './resources.ts';

export interface ManagerOptions {
  /**
   * Room for everything together. Default: 200 sandboxes at once and nine tenths of the machine's memory; the other
   * dimensions are not bounded. A request takes what its policy's limits allow it.
   */
  readonly pool?: PoolLimits;
  /** Room for each tenant, or for those that are named; default: all of the pool. */
  readonly perTenant?: PoolLimits | ((tenant: string) => PoolLimits);
  /** Share of a tenant when several wait, above 0; default 1 each. */
  readonly weight?: (tenant: string) => number;
  /** Requests that may wait, in total (default 10,000) and for each tenant (default a quarter of that). */
  readonly queue?: { readonly total?: number; readonly perTenant?: number };
  /** So much waiting is worth a step of priority, in ms; default 10,000. */
  readonly agingMs?: number;
  /** Sandboxes kept ready, shared out among the kinds that are wanted most; default 0. */
  readonly warmSlots?: number;
  /** Ended sandboxes that `list` and `inspect` still know; default 1000. */
  readonly keepEnded?: number;
  /**
   * What goes with its sandboxes: done at its close, when they have ended, and before it is forgotten. If the process is
   * killed in the middle of it, the next manager still finds this one, and discards what its sandboxes left.
   */
  readonly lastly?: () => Promise<void>;
  /** Told of every state, as the Caisson's own observer and audit are. */
  readonly observer?: Observer;
  /** Default: the real ones. */
  readonly clock?: Clock;
  /** Where state is kept; default: a SQLite file in the state directory. */
  readonly store?: ManagedStore;
}

export interface ManagedOptions extends PlaceOptions, NetworkOptions {
  /** To be found again by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** −100 to 100, higher first, among requests of one tenant; default 0. */
  readonly priority?: number;
  /** How long it may wait for room; default: for ever. */
  readonly queueTimeoutMs?: number;
  /** From when it has room; then it is ended and `TimedOut`. Default: none but the policy's. */
  readonly ttlMs?: number;
  /** While it waits it gives its place up; afterwards it is killed. */
  readonly signal?: AbortSignal;
}

export interface ManagedRunOptions
  extends ManagedOptions,
    PendingOptions,
    Omit<ExecOptions, 'signal'> {}

export interface ManagedSpawnOptions
  extends ManagedOptions,
    PendingOptions,
    Omit<SpawnOptions, 'signal' | 'background'> {}

export interface ManagedCreateOptions extends ManagedOptions {
  /** So long without a command, shell command or file request; then it is ended and `TimedOut`. Default: none. */
  readonly idleTimeoutMs?: number;
}

/** Of a sandbox that is made like another one: what is not said is as the other has it. */
export type ManagedForkOptions = Pick<
  ManagedCreateOptions,
  'labels' | 'priority' | 'queueTimeoutMs' | 'ttlMs' | 'idleTimeoutMs' | 'signal'
>;

const MOST_LABELS = 64;
const LABEL_MAX = 256;

/** @throws REQUEST_INVALID */
export function checkManaged(options: ManagedCreateOptions): void {
  const { priority = 0, labels = {}, tenant = '' } = options;
  if (!Number.isInteger(priority) || Math.abs(priority) > 100) {
    throw invalid(`the priority ${priority}`, 'give a whole number from −100 to 100');
  }
  for (const name of ['queueTimeoutMs', 'ttlMs', 'idleTimeoutMs'] as const) {
    checkMs(name, options[name]);
  }
  const entries = Object.entries(labels);
  const fits = (text: unknown): boolean => typeof text === 'string' && text.length <= LABEL_MAX;
  if (entries.length > MOST_LABELS || !entries.flat().every(fits) || !fits(tenant)) {
    throw invalid(
      'the labels or the tenant',
      `give at most ${MOST_LABELS} labels, each name and value and the tenant of at most ${LABEL_MAX} characters`,
    );
  }
}

/** @throws REQUEST_INVALID */
export function checkMs(name: string, value: number | undefined): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && value > 0 && value <= LONGEST_MS) return;
  throw invalid(`${name}: ${value}`, `give whole milliseconds from 1 to ${LONGEST_MS}`);
}

/** @throws REQUEST_INVALID */
export function checkPool(limits: PoolLimits, whose: string): PoolLimits {
  checkOptions(limits, whose, POOL);
  for (const name of DIMENSIONS) {
    const value = limits[name] ?? 1;
    if (!(Number.isSafeInteger(value) && value > 0)) {
      throw invalid(`${whose}: ${name} ${value}`, 'give a whole number above 0, or null for none');
    }
  }
  return limits;
}

export function checkCount(name: string, value: number, least = 1): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw invalid(`${name}: ${value}`, `give a whole number, at least ${least}`);
}

export function defaultPool(): PoolLimits {
  return { concurrency: 200, memoryBytes: Math.floor(totalmem() * 0.9) };
}

/** More slots than that compete with the work itself for the cores. */
export function mostWarmSlots(): number {
  return availableParallelism() * 32;
}

function invalid(what: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `${what} cannot be`,
    hint,
  });
}
