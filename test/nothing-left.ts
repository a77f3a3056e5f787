/** What a refused run may not leave behind, asked of the kernel: processes, mounts, control groups of our launchers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export class NothingLeft {
  readonly #mounts = mountTable();
  readonly #children = childrenOf(process.pid);
  readonly #launchers = new Set<number>();

  /** Remembers the launchers that run now. Call it while they do. */
  note(): void {
    for (const pid of childrenOf(process.pid))
      if (!this.#children.includes(pid)) this.#launchers.add(pid);
  }

  /** @returns how many launchers were seen; call it when they should be gone. */
  async check(): Promise<number> {
    const fresh = () => childrenOf(process.pid).filter((pid) => !this.#children.includes(pid));
    for (let i = 0; i < 500 && (fresh().length > 0 || this.#groups().length > 0); i++)
      await sleep(10);
    assert.deepEqual(fresh(), [], 'a process is left');
    assert.deepEqual(this.#groups(), [], 'a control group is left');
    assert.deepEqual(mountTable(), this.#mounts, 'a mount is left');
    return this.#launchers.size;
  }

  #groups(): string[] {
    return [...this.#launchers].flatMap(groupsOf);
  }
}

/** Where the groups of a launcher are. */
export function groupsOf(launcher: number): string[] {
  return groupDirectories().filter((path) => isGroupOf(launcher, basename(path)));
}

/** By its pid alone: the time and the namespace that follow it in a name hold the digits of many others. */
export function isGroupOf(launcher: number, name: string): boolean {
  return name.startsWith(`caisson-${launcher}-`);
}

/** Of this process's own tests alone: each test file is a process of its own, with children of its own. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number),
  );
}

/** Without the numbers of mounts, which say nothing. */
function mountTable(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) => line.split(' ').slice(3, 5).join(' ')).sort();
}

function groupDirectories(): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    let entries: ReturnType<typeof namesOf> = [];
    try {
      entries = namesOf(path);
    } catch {
      return;
    }
    for (const name of entries) {
      found.push(join(path, name));
      visit(join(path, name));
    }
  };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n'))
    if (/ - cgroup2? /.test(line)) visit(line.split(' ')[4] ?? '');
  return found;
}

function namesOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
