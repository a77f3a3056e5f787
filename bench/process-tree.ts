/** What the kernel says about a process and everything below it. */
import { readdirSync, readFileSync } from 'node:fs';

/** Numbers of the process and of all its descendants that are alive. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : '';
    // The command name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat !== '') parents.set(Number(name), Number(fields[1]));
  }
  const tree = [root];
  for (const pid of tree)
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/** Proportional set size of the processes together, in bytes (proc(5), smaps_rollup). */
export function proportionalBytes(pids: readonly number[]): number {
  const kib = pids.map(
    (pid) => /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0,
  );
  return kib.reduce<number>((sum, value) => sum + Number(value) * 1024, 0);
}

/** A field of /proc/meminfo, in bytes. */
export function memoryInfo(field: string): number {
  return (
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(read('/proc/meminfo'))?.[1] ?? 0) * 1024
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended meanwhile
  }
}

/** What a leak would make grow. */
export interface Held {
  readonly descriptors: number;
  readonly residentBytes: number;
  readonly mounts: number;
  readonly cgroupDirectories: number;
  readonly dyingCgroups: number;
  readonly processes: number;
}

/** Counted for a process, default this one, and everything below it; what the kernel holds of cgroups, for the whole machine. */
export function held(root: number = process.pid): Held {
  const tree = processTree(root);
  const count = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0);
  return {
    descriptors: count(tree.map((pid) => entries(`/proc/${pid}/fd`))),
    residentBytes: count(
      tree.map(
        (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024,
      ),
    ),
    mounts: count(tree.map((pid) => read(`/proc/${pid}/mountinfo`).split('\n').length - 1)),
    cgroupDirectories: ownGroups('/sys/fs/cgroup', new Set(tree)),
    dyingCgroups: dying(),
    processes: tree.length,
  };
}

function entries(directory: string): number {
  try {
    return readdirSync(directory).length;
  } catch {
    return 0;
  }
}

/** Directories of groups below those that a launcher of `pids` made, which it names after itself. */
function ownGroups(path: string, pids: ReadonlySet<number>, isOurs = false): number {
  try {
    const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return below.reduce((sum, { name }) => {
      const maker = /^caisson-(\d+)-/.exec(name)?.[1];
      const ours = isOurs || (maker !== undefined && pids.has(Number(maker)));
      return sum + (ours ? 1 : 0) + ownGroups(`${path}/${name}`, pids, ours);
    }, 0);
  } catch {
    return 0; // removed meanwhile
  }
}

/** v2 counts them itself; v1 counts all groups that the kernel holds, in /proc/cgroups. */
function dying(): number {
  for (const base of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    const found = /^nr_dying_descendants (\d+)/m.exec(read(`${base}/cgroup.stat`));
    if (found !== null) return Number(found[1]) + heldByV1();
  }
  return heldByV1();
}

function heldByV1(): number {
  return read('/proc/cgroups')
    .split('\n')
    .map((line) => line.split('\t'))
    .filter(([, hierarchy]) => hierarchy !== undefined && Number(hierarchy) > 0)
    .reduce((sum, [, , groups]) => sum + Number(groups), 0);
}
