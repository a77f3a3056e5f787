/**
 * Limits from peaks, with head-room: one run says little about the next one, on another day or machine. Pure.
 */
import { formatBytes, formatDuration } from '../core/units.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { LearnContext } from './learned-policy.ts';

export interface LearnedLimit {
  readonly key: keyof NonNullable<PolicyDocument['limits']>;
  readonly value: string | number;
  readonly reason: string;
}

const MiB = 2 ** 20;

/** Peaks that belong to the code: memory, processes, file size. */
export const SIZE_HEADROOM = 2;
/** Time depends on the machine and on what else runs there. */
export const TIME_HEADROOM = 4;

/** Below these a limit saves nothing and fails the first honest change. Memory also holds the page cache and /tmp. */
export const LEAST = {
  memoryBytes: 128 * MiB,
  processes: 32,
  fileSizeBytes: 64 * MiB,
  cpuMs: 10_000,
  wallMs: 30_000,
} as const;

export function learnLimits({
  end,
  cores,
  largestFileBytes,
}: Pick<LearnContext, 'end' | 'cores' | 'largestFileBytes'>): LearnedLimit[] {
  const peak = Math.max(end.peakRssBytes, end.maxRssBytes);
  const memory = roundUp(Math.max(peak * SIZE_HEADROOM, LEAST.memoryBytes), 16 * MiB);
  const processes = Math.max(end.peakTasks * SIZE_HEADROOM, LEAST.processes);
  const file = roundUp(Math.max(largestFileBytes * SIZE_HEADROOM, LEAST.fileSizeBytes), MiB);
  const cpuMs = roundUp(Math.max(end.cpuMs * TIME_HEADROOM, LEAST.cpuMs), 1000);
  const wallMs = roundUp(Math.max(end.wallMs * TIME_HEADROOM, LEAST.wallMs), 1000);
  const wide = Math.max(1, Math.min(cores, end.peakTasks));
  return [
    {
      key: 'timeout',
      value: formatDuration(wallMs),
      reason: `it took ${formatDuration(end.wallMs)}`,
    },
    {
      key: 'cpuTime',
      value: formatDuration(cpuMs),
      reason: `it used ${formatDuration(end.cpuMs)}`,
    },
    { key: 'cpu', value: wide, reason: `${end.peakTasks} processes and threads at once` },
    {
      key: 'memory',
      value: formatBytes(memory),
      reason: `its processes had ${formatBytes(roundUp(peak, MiB))} at once`,
    },
    { key: 'processes', value: processes, reason: `at most ${end.peakTasks} were seen at once` },
    {
      key: 'fileSize',
      value: formatBytes(file),
      reason: `the largest file that it left has ${formatBytes(largestFileBytes)}`,
    },
  ];
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
