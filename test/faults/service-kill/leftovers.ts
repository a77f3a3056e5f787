/**
 * What the kernel and the disk show that belongs to no living service: in namespaces of their own, all that is neither ours
 * nor below the service that runs now.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from '../../../bench/process-tree.ts';
import { difference, type KernelState, look } from '../kernel-state.ts';

/** How long what was killed may take to be gone. */
const PATIENCE_MS = 20_000;
/** What is made by its use, and is no leftover: records, databases, places for what comes and goes. */
const KEPT = /\/audit\/|\/audit\.|\.db(-wal|-shm|-journal)?$|\/state\/[a-z]+$/;
const NAMED = /[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{8,}|\d+/g;

export function ownState(directories: readonly string[]): KernelState {
  const ours = new Set(processTree(process.pid));
  const { processes, files, namespaces, ...rest } = look({ directories });
  const { mounts: _, descriptors: __, 'control groups': groups = [], ...kinds } = rest;
  const isOthers = (text: string, pattern: RegExp): boolean => {
    const pid = Number(pattern.exec(text)?.[1]);
    return pid !== 1 && !ours.has(pid);
  };
  const state = {
    ...kinds,
    processes: (processes ?? []).filter((each) => isOthers(each, /^(\d+)/)),
    namespaces: (namespaces ?? []).filter((each) => each.includes(' nsfs ')),
    // A launcher names its groups after itself.
    'control groups': groups.filter((each) => isOthers(each, /\/caisson-(\d+)-/)),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ').slice(3, 5).join(' ')),
    files: (files ?? []).filter((each) => !KEPT.test(each)),
  };
  const NUMBERED = ['files', 'sockets'];
  return Object.fromEntries(
    Object.entries(state).map(([kind, all]) => [
      kind,
      NUMBERED.includes(kind) ? all.map((each) => each.replace(NAMED, '#')).sort() : all,
    ]),
  );
}

/** The kernel takes a moment to let go. @returns what is left beyond that, in words */
export async function leftOver(
  before: KernelState,
  directories: readonly string[],
): Promise<{ left: string[]; waitedMs: number }> {
  const start = performance.now();
  for (;;) {
    const all = difference(before, ownState(directories));
    const left = all.flatMap((each) => each.left.map((name) => `${each.kind}: ${name}`));
    const waitedMs = performance.now() - start;
    if (left.length === 0 || waitedMs > PATIENCE_MS) return { left, waitedMs };
    await sleep(100);
  }
}
