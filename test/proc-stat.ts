/** What the kernel says of a process in one line: proc_pid_stat(5). */
import { readFileSync } from 'node:fs';

export interface ProcessStat {
  /** Of its program, or what it has called itself. */
  readonly name: string;
  /** One letter: `Z` for one that has ended and was not waited for. */
  readonly state: string;
  readonly parent: number;
  /** In user mode and in the kernel, in clock ticks, of which there are 100 a second. */
  readonly cpuTicks: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
}

/** Nothing where there is none: it may have gone meanwhile. */
export function statOf(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name is in parentheses, and may hold some.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  const [state = '', parent] = fields;
  return {
    name: text.slice(text.indexOf('(') + 1, end),
    state,
    parent: Number(parent),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    startTime: fields[19] ?? '',
  };
}
