/**
 * What the kernel's accounts say of a sandbox from outside: the files of the cgroup in which its init stands. Counters of a
 * group go on over the sandboxes that stand in it one after the other, so that only their differences mean something.
 */
import { join } from 'node:path';
import { readText } from './process-table.ts';

export interface GroupAccount {
  readonly memoryBytes: number;
  /** Processes and threads, ours too. */
  readonly tasks: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** Where a hierarchy is mounted, and from which group on. */
interface Hierarchy {
  readonly controllers: readonly string[];
  readonly root: string;
  readonly mount: string;
}

/** A launcher's group and a cell in it (native/launcher/cgroup_tree.c). */
const CELL = /\/caisson-\d+-\d+-\d+\/\d+$/;

/** proc_pid_mountinfo(5). Version 2 has no controllers here. */
export function readHierarchies(): Hierarchy[] {
  const lines = readText('/proc/self/mountinfo')?.split('\n') ?? [];
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '/', mount = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') return [{ controllers: [], root, mount }];
    return type === 'cgroup' ? [{ controllers: options.split(','), root, mount }] : [];
  });
}

/** Undefined: it stands in no group of a launcher, or that cannot be seen from here. */
export function readAccount(
  pid: number,
  hierarchies: readonly Hierarchy[],
): GroupAccount | undefined {
  const directories = cellsOf(pid, hierarchies);
  const v2 = directories.get('');
  const memory = directories.get('memory');
  if (memory !== undefined) {
    const io = linesOf(directories.get('blkio'), 'blkio.throttle.io_service_bytes');
    return accountOf(
      numberIn(memory, 'memory.usage_in_bytes'),
      numberIn(directories.get('pids'), 'pids.current'),
      sumIn(io, / Read (\d+)$/),
      sumIn(io, / Write (\d+)$/),
    );
  }
  const io = linesOf(v2, 'io.stat');
  return accountOf(
    numberIn(v2, 'memory.current'),
    numberIn(v2, 'pids.current'),
    sumIn(io, / rbytes=(\d+)/),
    sumIn(io, / wbytes=(\d+)/),
  );
}

/** Directories by controller; cgroups(7): a line is `number:controllers:group`. */
function cellsOf(pid: number, hierarchies: readonly Hierarchy[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readText(`/proc/${pid}/cgroup`)?.split('\n') ?? []) {
    const [, names = '', group = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (!CELL.test(group)) continue;
    const first = names.split(',')[0] ?? '';
    const hierarchy = hierarchies.find(({ controllers }) =>
      first === '' ? controllers.length === 0 : controllers.includes(first),
    );
    if (hierarchy === undefined) continue;
    const prefix = hierarchy.root === '/' ? '' : hierarchy.root;
    if (!group.startsWith(prefix)) continue;
    const directory = join(hierarchy.mount, group.slice(prefix.length));
    for (const name of names.split(',')) found.set(name, directory);
  }
  return found;
}

function accountOf(
  memoryBytes: number | undefined,
  tasks: number | undefined,
  readBytes: number,
  writtenBytes: number,
): GroupAccount | undefined {
  if (memoryBytes === undefined || tasks === undefined) return undefined;
  return { memoryBytes, tasks, readBytes, writtenBytes };
}

function numberIn(directory: string | undefined, name: string): number | undefined {
  const text = directory === undefined ? undefined : readText(join(directory, name));
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

function linesOf(directory: string | undefined, name: string): string[] {
  return directory === undefined ? [] : (readText(join(directory, name))?.split('\n') ?? []);
}

function sumIn(lines: readonly string[], pattern: RegExp): number {
  return lines.reduce((sum, line) => sum + Number(pattern.exec(line)?.[1] ?? 0), 0);
}
