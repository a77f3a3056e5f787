/**
 * Which process it is, beyond a number that the kernel gives out again: with when it started, in which boot, and in which
 * pid namespace the number means it.
 */
import { readFileSync, statSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, as proc_pid_stat(5) field 22 says them. */
  readonly startTime: string;
}

/** In which the numbers of processes mean something: a boot of a kernel, and a pid namespace. */
export interface ProcessWorld {
  /** random(4), /proc/sys/kernel/random/boot_id: another one after each boot. */
  readonly bootId: string;
  /** Inode number of the pid namespace. */
  readonly pidNamespace: string;
}

/** `unknown`: it is in a pid namespace of which nothing can be said from here. */
export type Liveness = 'alive' | 'gone' | 'unknown';

export function ownWorld(): ProcessWorld {
  return {
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: String(statSync('/proc/self/ns/pid').ino),
  };
}

/** Of a process that runs now; undefined where there is none. A zombie is none: it runs nothing any more. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name (field 2) may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = ''] = fields;
  const startTime = fields[19];
  return startTime === undefined || 'ZXx'.includes(state) ? undefined : { pid, startTime };
}

export function livenessOf(
  process: ProcessIdentity,
  world: ProcessWorld,
  here: ProcessWorld = ownWorld(),
): Liveness {
  if (world.bootId !== here.bootId) return 'gone';
  if (world.pidNamespace !== here.pidNamespace) return 'unknown';
  return identityOf(process.pid)?.startTime === process.startTime ? 'alive' : 'gone';
}
