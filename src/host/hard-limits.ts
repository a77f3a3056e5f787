/**
 * The caller's hard limits (getrlimit(2)), which nothing that it starts can pass.
 */
import { readSmall } from './version-file.ts';

/** Names of /proc/self/limits (proc(5)) to RLIMIT_* numbers. */
const limitNumbers: Readonly<Record<string, number>> = {
  'Max cpu time': 0,
  'Max file size': 1,
  'Max data size': 2,
  'Max stack size': 3,
  'Max core file size': 4,
  'Max processes': 6,
  'Max open files': 7,
  'Max locked memory': 8,
  'Max pending signals': 11,
  'Max msgqueue size': 12,
  'Max nice priority': 13,
  'Max realtime priority': 14,
};

/** @param text of /proc/self/limits */
export function parseHardLimits(text: string): Readonly<Record<number, number | null>> {
  const result: Record<number, number | null> = {};
  for (const line of text.split('\n')) {
    const match = /^(.+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const resource = limitNumbers[match?.[1] ?? ''];
    if (match === null || resource === undefined) continue;
    result[resource] = match[3] === 'unlimited' ? null : Number(match[3]);
  }
  return result;
}

export function hardLimits(): Readonly<Record<number, number | null>> {
  return parseHardLimits(readSmall('/proc/self/limits') ?? '');
}
