/**
 * What sandboxes take of a pool, in each of its dimensions, and what a policy's limits ask for.
 */
import type { Policy } from '../../policy/policy.ts';

export const DIMENSIONS = [
  'concurrency',
  'cpuMillicores',
  'memoryBytes',
  'processes',
  'diskBytes',
] as const;

export type Dimension = (typeof DIMENSIONS)[number];
export type Resources = Readonly<Record<Dimension, number>>;

/** A pool, or a tenant's part of it; absent or null: that dimension is not bounded. */
export interface PoolLimits {
  /** Sandboxes at once. */
  readonly concurrency?: number | null;
  /** Thousandths of a core. */
  readonly cpuMillicores?: number | null;
  readonly memoryBytes?: number | null;
  readonly processes?: number | null;
  /** Of private scratch space. */
  readonly diskBytes?: number | null;
}

export const NOTHING: Resources = {
  concurrency: 0,
  cpuMillicores: 0,
  memoryBytes: 0,
  processes: 0,
  diskBytes: 0,
};

/** Infinity where it is not bounded. */
export function capacityOf(limits: PoolLimits): Resources {
  return each((name) => limits[name] ?? Number.POSITIVE_INFINITY);
}

export function add(a: Resources, b: Resources): Resources {
  return each((name) => a[name] + b[name]);
}

export function subtract(a: Resources, b: Resources): Resources {
  return each((name) => a[name] - b[name]);
}

/** The smaller of each. */
export function meet(a: Resources, b: Resources): Resources {
  return each((name) => Math.min(a[name], b[name]));
}

/** The first dimension in which `need` is more than `room`; undefined where it fits. */
export function excess(need: Resources, room: Resources): Dimension | undefined {
  return DIMENSIONS.find((name) => need[name] > room[name]);
}

/**
 * The largest share of any dimension (dominant resource fairness: Ghodsi et al., NSDI 2011). Dimensions that are not
 * bounded do not count.
 */
export function dominantShare(used: Resources, capacity: Resources): number {
  let share = 0;
  for (const name of DIMENSIONS) share = Math.max(share, used[name] / capacity[name]);
  return share;
}

/** A core, where the policy does not limit it: processor time is shared by weight and cannot run out. */
const UNLIMITED_CPU = 1000;

/**
 * What a sandbox under this policy may take at most. What the policy does not limit counts as all there is, so that the
 * pool is never overdrawn; where the pool has no bound either, as nothing.
 */
export function needsOf(policy: Policy, capacity: Resources): Resources {
  const { limits } = policy;
  const all = (name: Dimension): number => (Number.isFinite(capacity[name]) ? capacity[name] : 0);
  // Each scratch space and /dev/shm may be filled with that much.
  const spaces = policy.scratch.rules.filter(({ include }) => include).length + 1;
  return {
    concurrency: 1,
    cpuMillicores: limits.cpuMillicores ?? Math.min(UNLIMITED_CPU, capacity.cpuMillicores),
    memoryBytes: limits.memoryBytes ?? all('memoryBytes'),
    processes: limits.processes ?? all('processes'),
    diskBytes: limits.scratchBytes === null ? all('diskBytes') : limits.scratchBytes * spaces,
  };
}

function each(value: (name: Dimension) => number): Resources {
  return {
    concurrency: value('concurrency'),
    cpuMillicores: value('cpuMillicores'),
    memoryBytes: value('memoryBytes'),
    processes: value('processes'),
    diskBytes: value('diskBytes'),
  };
}
