/**
 * Control groups of launchers that are dead. A group is named after its launcher, `caisson-PID-START-NAMESPACE`, the last
 * being the pid namespace in which the number means it: of another one nothing is concluded. The kernel refuses to remove
 * a group that still holds a process, so nothing that lives can be hit.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf } from './process-identity.ts';

const PATIENCE_MS = 10_000;
const NAME = /^caisson-(?:probe-)?(\d+)(?:-(\d+)-(\d+))?$/;

/** Where groups of ours may be: below our own group in every hierarchy, and below what is above it. */
export function leftOverCgroups(): string[] {
  const found = new Set<string>();
  for (const { mount, own } of hierarchies()) {
    for (let group = own; ; group = dirname(group)) {
      for (const name of directories(join(mount, group))) {
        const match = NAME.exec(name);
        if (match && !isAlive(match[1] ?? '', match[2], match[3]))
          found.add(join(mount, group, name));
      }
      if (group === '/') break;
    }
  }
  return [...found];
}

/**
 * Removes them: the kernel refuses that while a group still holds a process, and those of a killed launcher need a moment
 * to end.
 *
 * @returns absolute paths
 */
export async function removeLeftOverCgroups(
  patienceMs = PATIENCE_MS,
): Promise<{ removed: string[]; left: string[] }> {
  const groups = leftOverCgroups();
  const gone = new Set<string>();
  const start = performance.now();
  for (;;) {
    for (const path of groups) if (!gone.has(path) && removeCgroup(path)) gone.add(path);
    if (gone.size === groups.length || performance.now() - start > patienceMs) break;
    await sleep(5);
  }
  return { removed: [...gone], left: groups.filter((path) => !gone.has(path)) };
}

/** From the inside out. @returns whether it is gone */
export function removeCgroup(path: string): boolean {
  for (const name of directories(path)) removeCgroup(join(path, name));
  try {
    rmdirSync(path);
  } catch {
    return !existsSync(path);
  }
  return true;
}

/** cgroups(7): /proc/self/cgroup says our group, mountinfo (proc_pid_mountinfo(5)) where its hierarchy is. */
function hierarchies(): { mount: string; own: string }[] {
  const own = readLines('/proc/self/cgroup').map((line) => {
    const [, controllers = '', group = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return { controllers: controllers.split(','), group };
  });
  return readLines('/proc/self/mountinfo').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '/', mount = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const words = new Set(options.split(','));
    const mine = own.find(({ controllers }) =>
      type === 'cgroup2'
        ? controllers[0] === ''
        : controllers.some((each) => each !== '' && words.has(each)),
    );
    if (mine === undefined) return [];
    const prefix = root === '/' ? '' : root;
    if (!mine.group.startsWith(prefix)) return [];
    return [{ mount, own: mine.group.slice(prefix.length) || '/' }];
  });
}

/** A number used again is not taken for the old process, nor is one that has ended and was not reaped yet. */
function isAlive(pid: string, started?: string, namespace?: string): boolean {
  if (namespace !== undefined && namespace !== pidNamespace()) return true;
  const identity = identityOf(Number(pid));
  return identity !== undefined && (started === undefined || identity.startTime === started);
}

function pidNamespace(): string {
  return String(statSync('/proc/self/ns/pid').ino);
}

function directories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
