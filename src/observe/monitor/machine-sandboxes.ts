/**
 * Every sandbox of this machine that we may look at, from outside and without the help of the process that made it: found
 * by the launchers in /proc, counted by the groups that their inits stand in, else by their processes.
 */
import { type GroupAccount, readAccount, readHierarchies } from './group-accounts.ts';
import type { ManagedName, ManagedNames } from './managed-names.ts';
import {
  childrenOf,
  commandOf,
  type ProcessEntry,
  programOf,
  readProcesses,
  receivedBytesOf,
  treeOf,
  uidOf,
} from './process-table.ts';

export interface MachineSandbox {
  /** Of its init, or supervisor. */
  readonly pid: number;
  /** Words of the guest's oldest process; none where nothing runs. As the guest chose them: not to be shown unchecked. */
  readonly command: readonly string[];
  /** Absent: no manager that we know of wrote it down. */
  readonly managed?: ManagedName;
  /** Its launcher, and the process that started that: the one that uses Caisson. */
  readonly launcher: number;
  readonly owner: { readonly pid: number; readonly uid?: number; readonly command: string[] };
  readonly source: 'cgroup' | 'proc';
  readonly cpuMs: number;
  readonly memoryBytes: number;
  /** With their threads, the guest's alone. */
  readonly processes: number;
  readonly ageMs: number;
  /** Since the reading before; absent in the first. */
  readonly rates?: MachineRates;
}

export interface MachineRates {
  readonly cpuCores: number;
  readonly readBytesPerSecond?: number;
  readonly writtenBytesPerSecond?: number;
  /** Received by its interfaces, loopback too: all that passes between a filtered guest and its proxy. */
  readonly networkBytesPerSecond?: number;
}

export interface MachineView {
  /** Wall clock, Unix ms. */
  readonly timeMs: number;
  readonly sandboxes: readonly MachineSandbox[];
  /** Sandboxes that stand ready, and open ones without a name in which nothing runs: from outside they look the same. */
  readonly idle: number;
  readonly launchers: number;
}

interface Counted {
  readonly startTime: number;
  readonly atMs: number;
  readonly cpuMs: number;
  readonly group: GroupAccount | undefined;
  readonly received: number | undefined;
}

/** Names are cut after 15 bytes; the second is the copy in memory that an ordinary user's launcher goes on as. */
const LAUNCHER_NAMES: readonly string[] = ['caisson-launche', 'memfd:caisson-l'];
const INIT = 'caisson-init';
const TICK_MS = 10;

/** Reads again and again; rates are differences between two readings. */
export class MachineSandboxes {
  readonly #names: Pick<ManagedNames, 'of'> | undefined;
  #before = new Map<number, Counted>();

  constructor(names?: Pick<ManagedNames, 'of'>) {
    this.#names = names;
  }

  read(): MachineView {
    const processes = readProcesses();
    const children = childrenOf(processes);
    const launchers = launchersIn(processes);
    const hierarchies = readHierarchies();
    const upMs = performance.now() + (performance.timeOrigin - bootTimeMs());
    const now = new Map<number, Counted>();
    const sandboxes: MachineSandbox[] = [];
    let idle = 0;
    for (const launcher of launchers) {
      const own = programOf(launcher.pid);
      const owner = ownerOf(launcher);
      for (const init of children.get(launcher.pid) ?? []) {
        const tree = treeOf(init, children);
        const guests = tree.filter((each) => !isOurs(each, own));
        const main = guests.toSorted((a, b) => a.startTime - b.startTime || a.pid - b.pid)[0];
        const managed = this.#names?.of(init.pid, String(init.startTime));
        // Of the open ones in which nothing runs only those are told from slots that a manager has named.
        if (main === undefined && managed === undefined) {
          if (commandOf(init.pid)[0] === INIT) idle++;
          continue;
        }
        const group = readAccount(init.pid, hierarchies);
        const counted: Counted = {
          startTime: init.startTime,
          atMs: performance.now(),
          cpuMs: sumOf(tree, ({ cpuMs }) => cpuMs),
          group,
          received: receivedBytesOf((main ?? init).pid),
        };
        now.set(init.pid, counted);
        const rates = this.#rates(init.pid, counted);
        sandboxes.push({
          pid: init.pid,
          command: main === undefined ? [] : commandOf(main.pid),
          ...(managed === undefined ? {} : { managed }),
          launcher: launcher.pid,
          owner,
          source: group === undefined ? 'proc' : 'cgroup',
          cpuMs: counted.cpuMs,
          memoryBytes: group?.memoryBytes ?? sumOf(tree, ({ residentBytes }) => residentBytes),
          processes: sumOf(guests, ({ threads }) => threads),
          ageMs: Math.max(0, Math.round(upMs - init.startTime * TICK_MS)),
          ...(rates === undefined ? {} : { rates }),
        });
      }
    }
    this.#before = now;
    return { timeMs: Date.now(), sandboxes, idle, launchers: launchers.length };
  }

  #rates(pid: number, now: Counted): MachineRates | undefined {
    const before = this.#before.get(pid);
    // A number that was given out again is another sandbox.
    if (before === undefined || before.startTime !== now.startTime) return undefined;
    const seconds = (now.atMs - before.atMs) / 1000;
    const rate = (from: number | undefined, to: number | undefined): number | undefined =>
      from === undefined || to === undefined ? undefined : Math.max(0, to - from) / seconds;
    const read = rate(before.group?.readBytes, now.group?.readBytes);
    const written = rate(before.group?.writtenBytes, now.group?.writtenBytes);
    const received = rate(before.received, now.received);
    return {
      cpuCores: Math.max(0, now.cpuMs - before.cpuMs) / 1000 / seconds,
      ...(read === undefined ? {} : { readBytesPerSecond: read }),
      ...(written === undefined ? {} : { writtenBytesPerSecond: written }),
      ...(received === undefined ? {} : { networkBytesPerSecond: received }),
    };
  }
}

/** A guest can call itself so too: nothing below a launcher counts as one. */
function launchersIn(processes: ReadonlyMap<number, ProcessEntry>): ProcessEntry[] {
  const named = [...processes.values()].filter(isCalledLauncher);
  const candidates = new Set(named.map(({ pid }) => pid));
  return named.filter(({ parent }) => {
    for (let above = parent, depth = 0; above > 0 && depth < 1000; depth++) {
      if (candidates.has(above)) return false;
      above = processes.get(above)?.parent ?? 0;
    }
    return true;
  });
}

/** Before Linux 6.14 a program that is executed from a descriptor is called by the descriptor's number. */
function isCalledLauncher({ pid, name }: ProcessEntry): boolean {
  if (LAUNCHER_NAMES.includes(name)) return true;
  return /^\d+$/.test(name) && commandOf(pid)[0]?.endsWith('caisson-launcher') === true;
}

/** The launcher's own program, before it becomes the guest's; by its name only where we may not look. */
function isOurs(entry: ProcessEntry, own: string | undefined): boolean {
  const program = own === undefined ? undefined : programOf(entry.pid);
  return program === undefined ? isCalledLauncher(entry) : program === own;
}

function ownerOf({ pid, parent }: ProcessEntry): MachineSandbox['owner'] {
  const uid = uidOf(pid);
  return { pid: parent, ...(uid === undefined ? {} : { uid }), command: commandOf(parent) };
}

function bootTimeMs(): number {
  return performance.timeOrigin + performance.now() - Number(process.hrtime.bigint() / 1_000_000n);
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
