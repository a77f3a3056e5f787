/**
 * What is told of a managed run or sandbox, and how they are picked.
 */
import type { Usage } from '../../core/outcome.ts';
import type { Entry } from './entry.ts';
import type { SandboxState } from './states.ts';

export interface ManagedInfo {
  /** UUIDv7: sorts by when it was asked for. */
  readonly id: string;
  readonly kind: 'run' | 'sandbox';
  readonly state: SandboxState;
  /** It waits for room in the pool (state `Initializing`). */
  readonly waiting: boolean;
  /** Empty: nobody was named. */
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly policyDigest: string;
  /** Id of the sandbox or run in audit, events and live usage, once it has room. */
  readonly sandbox?: string;
  /** Wall clock, Unix ms: for people. */
  readonly createdMs: number;
  /** Since it was asked for, until now or its end. */
  readonly ageMs: number;
  /** Until its time to live ends; absent where it has none. */
  readonly remainingMs?: number;
  /** Why it is in this state, in a line. */
  readonly reason?: string;
  /** Why its present state is not in the store (a full disk); absent where it is. */
  readonly unrecorded?: string;
  /** What it has used since it was made; undefined where it waits, is being made, or has ended. */
  usage(): Promise<Usage | undefined>;
}

export interface ManagedFilter {
  readonly state?: SandboxState | readonly SandboxState[];
  /** All of these. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly tenant?: string;
}

export function infoOf(
  entry: Entry,
  nowMs: number,
  usage: () => Promise<Usage | undefined>,
): ManagedInfo {
  const { id, kind, state, tenant, labels, priority, policyDigest, createdMs, ...rest } =
    entry.record;
  const until = rest.endedMonotonicMs ?? nowMs;
  return {
    id,
    kind,
    state,
    waiting: entry.isWaiting,
    tenant,
    labels,
    priority,
    policyDigest,
    ...(rest.sandbox === undefined ? {} : { sandbox: rest.sandbox }),
    createdMs,
    ageMs: until - rest.createdMonotonicMs,
    ...(rest.deadlineMonotonicMs === undefined
      ? {}
      : { remainingMs: Math.max(0, rest.deadlineMonotonicMs - until) }),
    ...(rest.reason === undefined ? {} : { reason: rest.reason }),
    ...(entry.unrecorded === undefined ? {} : { unrecorded: entry.unrecorded }),
    usage,
  };
}

export function matches(entry: Entry, { state, labels = {}, tenant }: ManagedFilter): boolean {
  const { record } = entry;
  if (tenant !== undefined && record.tenant !== tenant) return false;
  if (state !== undefined && ![state].flat().includes(record.state)) return false;
  return Object.entries(labels).every(([name, value]) => record.labels[name] === value);
}
