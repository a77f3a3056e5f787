/**
 * Counts of executions: kept in memory while they come, written together about once a second, never while an execution
 * waits. What a killed process had not written is lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from '../core/outcome.ts';
import type { ExecutionCounts, ModuleName, ModuleStore } from '../store/module-record.ts';
import { bucketOf, quantileOf } from './durations.ts';
import type { ModuleStatistics } from './module-schemas.ts';

const FLUSH_MS = 1000;
const CLOSE_ATTEMPTS = 20;
const CLOSE_WAIT_MS = 10;

interface Tally {
  readonly name: ModuleName;
  executions: number;
  readonly outcomes: Map<string, number>;
  readonly durations: Map<number, number>;
  totalMs: number;
  maxMs: number;
  lastMs: number;
  lastOutcome: string;
}

export class ExecutionCounter {
  readonly #store: Pick<ModuleStore, 'addCounts' | 'counts'>;
  #tallies = new Map<string, Tally>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Pick<ModuleStore, 'addCounts' | 'counts'>) {
    this.#store = store;
  }

  /** @param key of the module, such as `id@version` */
  note(key: string, name: ModuleName, outcome: string, ms: number): void {
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      tally = newTally(name);
      this.#tallies.set(key, tally);
    }
    tally.executions++;
    tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
    const bucket = bucketOf(ms);
    tally.durations.set(bucket, (tally.durations.get(bucket) ?? 0) + 1);
    tally.totalMs += ms;
    if (ms > tally.maxMs) tally.maxMs = ms;
    tally.lastMs = Date.now();
    tally.lastOutcome = outcome;
    this.#timer ??= setTimeout(() => this.#later(), FLUSH_MS).unref();
  }

  /** What was counted of a module that is removed now is dropped. */
  forget(key: string): void {
    this.#tallies.delete(key);
  }

  /** Written ones and those that are not yet. */
  async of(key: string, name: ModuleName): Promise<ExecutionCounts | undefined> {
    const written = await this.#store.counts(name);
    const tally = this.#tallies.get(key);
    if (tally === undefined) return written;
    return written === undefined ? countsOf(tally) : mergeCounts(written, countsOf(tally));
  }

  /** @returns whether all are written @throws STORE_UNUSABLE */
  flush(): boolean {
    if (this.#tallies.size === 0) return true;
    const counts = [...this.#tallies.values()].map((tally) => ({
      ...tally.name,
      counts: countsOf(tally),
    }));
    if (!this.#store.addCounts(counts, mergeCounts)) return false;
    this.#tallies = new Map();
    return true;
  }

  /** Writes what is left, where nobody else is writing for long. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    for (let attempt = 0; attempt < CLOSE_ATTEMPTS; attempt++) {
      try {
        if (this.flush()) return;
      } catch {
        return;
      }
      await delay(CLOSE_WAIT_MS);
    }
  }

  #later(): void {
    this.#timer = undefined;
    let done = false;
    try {
      done = this.flush();
    } catch {
      // A disk that is full: whoever registers or asks is told; executions go on, and these are tried again.
    }
    if (!done) this.#timer = setTimeout(() => this.#later(), FLUSH_MS).unref();
  }
}

/** How an execution is counted. */
export function outcomeWord({ kind, code }: Pick<Outcome, 'kind' | 'code'>): string {
  if (kind !== 'exited') return kind;
  return code === 0 ? 'succeeded' : 'failed';
}

export function statisticsOf(counts: ExecutionCounts | undefined): ModuleStatistics {
  if (counts === undefined) {
    const durationMs = { mean: 0, p50: 0, p95: 0, max: 0 };
    return { executions: 0, outcomes: {}, durationMs };
  }
  const { executions, outcomes, totalMs, maxMs, durations, lastMs, lastOutcome } = counts;
  return {
    executions,
    outcomes,
    durationMs: {
      mean: totalMs / executions,
      p50: Math.min(maxMs, quantileOf(durations, 0.5)),
      p95: Math.min(maxMs, quantileOf(durations, 0.95)),
      max: maxMs,
    },
    lastMs,
    lastOutcome,
  };
}

export function mergeCounts(a: ExecutionCounts, b: ExecutionCounts): ExecutionCounts {
  const last = b.lastMs >= a.lastMs ? b : a;
  return {
    executions: a.executions + b.executions,
    outcomes: added(a.outcomes, b.outcomes),
    durations: added(a.durations, b.durations),
    totalMs: a.totalMs + b.totalMs,
    maxMs: Math.max(a.maxMs, b.maxMs),
    lastMs: last.lastMs,
    lastOutcome: last.lastOutcome,
  };
}

function added(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  const sums = { ...a };
  for (const [key, count] of Object.entries(b)) sums[key] = (sums[key] ?? 0) + count;
  return sums;
}

function newTally(name: ModuleName): Tally {
  return {
    name,
    executions: 0,
    outcomes: new Map(),
    durations: new Map(),
    totalMs: 0,
    maxMs: 0,
    lastMs: 0,
    lastOutcome: '',
  };
}

function countsOf({ name: _, outcomes, durations, ...rest }: Tally): ExecutionCounts {
  return {
    ...rest,
    outcomes: Object.fromEntries(outcomes),
    durations: Object.fromEntries(durations),
  };
}
