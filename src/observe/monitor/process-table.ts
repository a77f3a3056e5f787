/**
 * The processes of this machine at one moment, as /proc shows them to us (proc_pid_stat(5)). What ends while it is read is
 * left out.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** The process's own to choose, at most 15 bytes. */
  readonly name: string;
  /** User and system, and of its children that were waited for. */
  readonly cpuMs: number;
  readonly threads: number;
  readonly residentBytes: number;
  /** Clock ticks since boot. */
  readonly startTime: number;
}

/** USER_HZ and the page size: 100 and 4 KiB on every architecture that the launcher is built for (sysconf(3)). */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

export function readProcesses(): Map<number, ProcessEntry> {
  const found = new Map<number, ProcessEntry>();
  for (const name of readdirSync('/proc')) {
    const first = name.charCodeAt(0);
    if (first < 48 || first > 57) continue;
    const entry = readProcess(Number(name));
    if (entry !== undefined) found.set(entry.pid, entry);
  }
  return found;
}

function readProcess(pid: number): ProcessEntry | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const open = stat?.indexOf('(') ?? -1;
  const close = stat?.lastIndexOf(')') ?? -1;
  if (stat === undefined || open < 0 || close < open) return undefined;
  const fields = stat.slice(close + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3] ?? 0);
  if ('ZXx'.includes(fields[0] ?? 'X')) return undefined;
  return {
    pid,
    parent: number(4),
    name: stat.slice(open + 1, close),
    cpuMs: (number(14) + number(15) + number(16) + number(17)) * TICK_MS,
    threads: number(20),
    startTime: number(22),
    residentBytes: number(24) * PAGE_BYTES,
  };
}

/** By parent. */
export function childrenOf(
  processes: ReadonlyMap<number, ProcessEntry>,
): ReadonlyMap<number, readonly ProcessEntry[]> {
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of processes.values()) {
    const known = children.get(entry.parent);
    if (known === undefined) children.set(entry.parent, [entry]);
    else known.push(entry);
  }
  return children;
}

/** It and everything below it. */
export function treeOf(
  root: ProcessEntry,
  children: ReadonlyMap<number, readonly ProcessEntry[]>,
): ProcessEntry[] {
  const tree = [root];
  for (let i = 0; i < tree.length; i++) {
    for (const child of children.get((tree[i] as ProcessEntry).pid) ?? []) {
      if (!tree.includes(child)) tree.push(child);
    }
  }
  return tree;
}

/** Words of its command line; empty where it has none, or may not be read. */
export function commandOf(pid: number): string[] {
  const words = readText(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  if (words.at(-1) === '') words.pop();
  return words;
}

/** Which file it executes, as device and inode number; undefined where that may not be looked at. */
export function programOf(pid: number): string | undefined {
  const stat = attempt(() => statSync(`/proc/${pid}/exe`, { bigint: true }));
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

/** Bytes received by all interfaces of its network namespace, where that is not our own. proc_pid_net(5) */
export function receivedBytesOf(pid: number): number | undefined {
  const own = attempt(() => readlinkSync('/proc/self/ns/net'));
  const its = attempt(() => readlinkSync(`/proc/${pid}/ns/net`));
  if (its === undefined || its === own) return undefined;
  const lines = readText(`/proc/${pid}/net/dev`)?.split('\n').slice(2) ?? [];
  return lines.reduce((sum, line) => sum + Number(/:\s*(\d+)/.exec(line)?.[1] ?? 0), 0);
}

export function uidOf(pid: number): number | undefined {
  return attempt(() => statSync(`/proc/${pid}`).uid);
}

export function readText(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
