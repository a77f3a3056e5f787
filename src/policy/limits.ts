/**
 * Limits as a lattice: the meet allows what both allow, the join what either allows.
 */
import { formatBytes, formatDuration } from '../core/units.ts';
import type { Limits } from './policy.ts';

/** The limits that have a size, each with what it limits and how its size is told. */
export const LIMIT_ROWS = [
  { name: 'wallMs', key: 'timeout', what: 'run for', format: formatDuration },
  { name: 'cpuMs', key: 'cpuTime', what: 'use CPU time of', format: formatDuration },
  { name: 'memoryBytes', key: 'memory', what: 'use memory of', format: formatBytes },
  {
    name: 'memoryHighBytes',
    key: 'memoryHigh',
    what: 'use, before it is slowed, memory of',
    format: formatBytes,
  },
  {
    name: 'cpuMillicores',
    key: 'cpu',
    what: 'use cores:',
    format: (value: number) => `${value / 1000}`,
  },
  { name: 'cpuWeight', key: 'cpuWeight', what: 'have a CPU share of', format: String },
  { name: 'processes', key: 'processes', what: 'have processes:', format: String },
  { name: 'openFiles', key: 'openFiles', what: 'open files:', format: String },
  { name: 'fileSizeBytes', key: 'fileSize', what: 'write files of', format: formatBytes },
  { name: 'outputBytes', key: 'output', what: 'print', format: formatBytes },
  {
    name: 'scratchBytes',
    key: 'scratch',
    what: 'fill each scratch space with',
    format: formatBytes,
  },
  {
    name: 'readBytesPerSecond',
    key: 'readRate',
    what: 'read from disk, each second,',
    format: formatBytes,
  },
  {
    name: 'writeBytesPerSecond',
    key: 'writeRate',
    what: 'write to disk, each second,',
    format: formatBytes,
  },
  { name: 'coreBytes', key: 'core', what: 'leave core dumps of', format: formatBytes },
  { name: 'stackBytes', key: 'stack', what: 'use stacks of', format: formatBytes },
] as const satisfies readonly {
  name: Exclude<keyof Limits, 'onOutputLimit'>;
  key: string;
  what: string;
  format: (value: number) => string;
}[];

export type SizedLimit = (typeof LIMIT_ROWS)[number]['name'];

/** Both limits hold. */
export function meetLimits(a: Limits, b: Limits): Limits {
  return {
    ...mapLimits((name) => meet(a[name], b[name])),
    onOutputLimit: a.onOutputLimit === 'kill' ? 'kill' : b.onOutputLimit,
  };
}

/** The wider of each. */
export function joinLimits(a: Limits, b: Limits): Limits {
  return {
    ...mapLimits((name) => join(a[name], b[name])),
    onOutputLimit: a.onOutputLimit === 'truncate' ? 'truncate' : b.onOutputLimit,
  };
}

/** The limits by which `over` holds less than `of` may: each with both values. */
export function excessLimits(
  of: Limits,
  over: Limits,
): { row: (typeof LIMIT_ROWS)[number]; of: number | null; over: number }[] {
  return LIMIT_ROWS.flatMap((row) => {
    const [wide, narrow] = [of[row.name], over[row.name]];
    return narrow !== null && (wide === null || wide > narrow)
      ? [{ row, of: wide, over: narrow }]
      : [];
  });
}

function mapLimits(value: (name: SizedLimit) => number | null): Record<SizedLimit, number | null> {
  return Object.fromEntries(LIMIT_ROWS.map(({ name }) => [name, value(name)])) as Record<
    SizedLimit,
    number | null
  >;
}

function meet(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

function join(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}
