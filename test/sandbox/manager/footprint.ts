/**
 * What launchers and their sandboxes are to the kernel: processes, namespaces, control groups. Noted while they live, looked
 * for when they should be gone, wherever it may be by then; and the mounts of this process.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf } from '../../../src/host/process-identity.ts';

const NAMESPACES = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];

export class Footprint {
  readonly #owner: number;
  readonly #mounts = mountTable();
  readonly #before: ReadonlySet<string>;
  readonly #launchers = new Set<number>();
  /** Number and start time. */
  readonly #processes = new Map<number, string>();
  /** With the latest start, in ticks, of what was there when it was noted: the kernel gives the numbers out again. */
  readonly #namespaces = new Map<string, number>();

  /** @param owner the process whose children are the launchers */
  constructor(owner: number = process.pid) {
    this.#owner = owner;
    this.#before = new Set([...namespacesOf(process.pid), ...namespacesOf(owner)]);
  }

  /** @returns how many of each were seen up to now; call it while they live. */
  note(): { launchers: number; processes: number; namespaces: number; groups: number } {
    for (const pid of childrenOf(this.#owner)) if (isLauncher(pid)) this.#launchers.add(pid);
    let latest = 0;
    const found = new Set<string>();
    for (const launcher of this.#launchers) {
      for (const pid of [launcher, ...descendantsOf(launcher)]) {
        const identity = identityOf(pid);
        if (identity === undefined) continue;
        this.#processes.set(pid, identity.startTime);
        latest = Math.max(latest, Number(identity.startTime));
        for (const id of namespacesOf(pid)) if (!this.#before.has(id)) found.add(id);
      }
    }
    for (const id of found) this.#namespaces.set(id, latest);
    return {
      launchers: this.#launchers.size,
      processes: this.#processes.size,
      namespaces: this.#namespaces.size,
      groups: this.#groups().length,
    };
  }

  launchers(): number[] {
    return [...this.#launchers];
  }

  /** Asserts that nothing of all that was noted is there. */
  async assertGone(withinMs = 5000): Promise<void> {
    const start = performance.now();
    while (this.#anything() && performance.now() - start < withinMs) await sleep(20);
    assert.deepEqual(this.#alive(), [], 'a process is left');
    assert.deepEqual(this.#inhabited(), [], 'a namespace is left');
    assert.deepEqual(this.#groups(), [], 'a control group is left');
    assert.deepEqual(mountTable(), this.#mounts, 'a mount is left');
  }

  #anything(): boolean {
    const found = [this.#alive(), this.#inhabited(), this.#groups()];
    return found.some(({ length }) => length > 0);
  }

  #alive(): number[] {
    const same = ([pid, startTime]: [number, string]): boolean =>
      identityOf(pid)?.startTime === startTime;
    return [...this.#processes].filter(same).map(([pid]) => pid);
  }

  /** Namespaces that any process of that time is in: also one that left its parents. */
  #inhabited(): string[] {
    const left = numbersIn('/proc').flatMap((pid) => {
      const start = Number(identityOf(pid)?.startTime ?? Infinity);
      return namespacesOf(pid).filter((id) => start <= (this.#namespaces.get(id) ?? -1));
    });
    return [...new Set(left)];
  }

  #groups(): string[] {
    const names = [...this.#launchers].map((pid) => `caisson-${pid}-`);
    return groupDirectories().filter((path) => names.some((name) => path.includes(name)));
  }
}

function mountTable(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) => line.split(' ').slice(3, 5).join(' ')).sort();
}

function namespacesOf(pid: number): string[] {
  return NAMESPACES.flatMap((kind) => {
    try {
      return readlinkSync(`/proc/${pid}/ns/${kind}`);
    } catch {
      return [];
    }
  });
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function childrenOf(pid: number): number[] {
  try {
    return numbersIn(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter((word) => word !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}

function isLauncher(pid: number): boolean {
  try {
    return /launcher\0(?:serve|child)\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}

function numbersIn(path: string): number[] {
  return readdirSync(path)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function groupDirectories(): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    let names: string[] = [];
    try {
      const entries = readdirSync(path, { withFileTypes: true });
      names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch {
      return;
    }
    for (const name of names) {
      found.push(join(path, name));
      visit(join(path, name));
    }
  };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n'))
    if (/ - cgroup2? /.test(line)) visit(line.split(' ')[4] ?? '');
  return found;
}
