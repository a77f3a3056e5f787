/**
 * What the kernel shows of everything in this process's pid namespace: two looks compare equal when nothing was left
 * between them. In a pid, network, IPC and mount namespace of its own (`scripts/kill-soak.ts`) that is exactly ours, also
 * while others work on the machine.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { statOf } from '../proc-stat.ts';

/** By what it is; each a sorted list. */
export type KernelState = Readonly<Record<string, readonly string[]>>;

export interface LookOptions {
  /** Directories whose files are listed, whole. */
  readonly directories: readonly string[];
}

export function look({ directories }: LookOptions): KernelState {
  const found = {
    processes: processes(),
    namespaces: namespaces(),
    mounts: mounts(),
    'control groups': controlGroups(),
    'System V IPC': ['shm', 'msg', 'sem'].flatMap((kind) =>
      lines(`/proc/sysvipc/${kind}`)
        .slice(1)
        .map((line) => `${kind} ${line.trim().split(/\s+/).slice(0, 2).join(' ')}`),
    ),
    links: lines('/proc/self/net/dev')
      .slice(2)
      .map((line) => line.split(':')[0]?.trim() ?? ''),
    sockets: sockets(),
    'nft tables': nftTables() ?? ['not looked at: neither nft nor python3 is here'],
    descriptors: descriptors(),
    files: directories.flatMap((path) => filesBelow(path)),
  };
  return Object.fromEntries(Object.entries(found).map(([kind, names]) => [kind, names.sort()]));
}

/** What is there more, or less, than before. */
export function difference(
  before: KernelState,
  after: KernelState,
): { kind: string; left: string[]; lost: string[] }[] {
  return Object.keys(after).flatMap((kind) => {
    const left = without(after[kind] ?? [], before[kind] ?? []);
    const lost = without(before[kind] ?? [], after[kind] ?? []);
    return left.length + lost.length === 0 ? [] : [{ kind, left, lost }];
  });
}

/** For the whole machine, which others may use: to be shown, not to be compared. */
export function machineCounts(): Record<string, number> {
  const slabs = lines('/proc/slabinfo').map((line) => line.split(/\s+/));
  const active = (name: string): number => Number(slabs.find(([each]) => each === name)?.[1]);
  const groups = lines('/proc/cgroups')
    .slice(1)
    .map((line) => Number(line.split('\t')[2]));
  const counts = {
    'network namespaces': active('net_namespace'),
    'mount namespaces': active('mnt_namespace'),
    'control groups, dying ones included (most of any hierarchy)': Math.max(0, ...groups),
  };
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => Number.isFinite(count)));
}

export function numbersIn(path: string): number[] {
  return names(path)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

export function childrenOf(pid: number): number[] {
  return numbersIn(`/proc/${pid}/task`).flatMap((task) =>
    lines(`/proc/${pid}/task/${task}/children`)
      .flatMap((line) => line.trim().split(' '))
      .filter((word) => word !== '')
      .map(Number),
  );
}

export function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Zombies, too: one that nobody reaps is left. */
function processes(): string[] {
  return numbersIn('/proc').flatMap((pid) => {
    const stat = statOf(pid);
    return stat === undefined ? [] : [`${pid} ${stat.name}`];
  });
}

/** Inhabited, held open, or mounted. */
function namespaces(): string[] {
  const found = new Set<string>();
  for (const pid of numbersIn('/proc')) {
    for (const directory of [`/proc/${pid}/ns`, `/proc/${pid}/fd`]) {
      for (const name of names(directory)) {
        const target = link(join(directory, name));
        if (/^[a-z]+:\[\d+\]$/.test(target) && !/^(socket|pipe):/.test(target)) found.add(target);
      }
    }
  }
  for (const line of mounts()) if (line.includes(' nsfs ')) found.add(line);
  return [...found];
}

/** Of every mount namespace that a process is in. Without the numbers of mounts, which say nothing. */
function mounts(): string[] {
  const seen = new Set<string>();
  return numbersIn('/proc').flatMap((pid) => {
    const namespace = link(`/proc/${pid}/ns/mnt`);
    if (namespace === '' || seen.has(namespace)) return [];
    seen.add(namespace);
    return lines(`/proc/${pid}/mountinfo`).map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , , root, point] = before.split(' ');
      return `${root} ${point} ${after.split(' ').slice(0, 2).join(' ')} in ${namespace}`;
    });
  });
}

/** A group of ours carries the pid namespace of its launcher in its name, so those of others are left out. */
function controlGroups(): string[] {
  const own = `-${statSync('/proc/self/ns/pid').ino}`;
  const found: string[] = [];
  const visit = (path: string, isOurs: boolean): void => {
    for (const name of directories(path)) {
      const ours = isOurs || (name.startsWith('caisson-') && name.endsWith(own));
      if (ours) found.push(join(path, name));
      visit(join(path, name), ours);
    }
  };
  for (const line of lines('/proc/self/mountinfo'))
    if (/ - cgroup2? /.test(line)) visit(line.split(' ')[4] ?? '', false);
  return found;
}

/** What listens, or is bound, in this network namespace. */
function sockets(): string[] {
  const LISTENING = '0A';
  const internet = ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'].flatMap((kind) =>
    lines(`/proc/self/net/${kind}`)
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => !kind.startsWith('tcp') || state === LISTENING)
      .map(([, local]) => `${kind} ${local}`),
  );
  const bound = lines('/proc/self/net/unix')
    .slice(1)
    .flatMap((line) => line.trim().split(/\s+/)[7] ?? []);
  return [...internet, ...bound.map((path) => `unix ${path}`)];
}

/** NFT_MSG_GETTABLE of nfnetlink(7), dumped; by nft(8) where it is. */
const NFT_DUMP = `
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.sendto(struct.pack('=IHHIIBBH', 20, 10 << 8 | 1, 0x301, 1, 0, 0, 0, 0), (0, 0))
while True:
    data = s.recv(65536)
    while len(data) >= 16:
        size, kind = struct.unpack('=IH', data[:6])
        if kind == 3: raise SystemExit
        if kind == 2:
            error = -struct.unpack('=i', data[16:20])[0]
            raise SystemExit(error and f'nfnetlink: errno {error}')
        print(data[20:size].hex())
        data = data[(size + 3) & ~3:]
`;

function nftTables(): string[] | undefined {
  const ways: readonly [program: string, args: readonly string[]][] = [
    ['nft', ['list', 'tables']],
    ['python3', ['-c', NFT_DUMP]],
  ];
  for (const [program, args] of ways) {
    try {
      const text = execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });
      return text.split('\n').filter((line) => line !== '');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

/** Of this process, by what they are. */
function descriptors(): string[] {
  return names('/proc/self/fd')
    .map((name) => link(`/proc/self/fd/${name}`).replace(/\[\d+\]|\d+/g, ''))
    .filter((target) => target !== '' && !target.startsWith('/proc/'));
}

function filesBelow(path: string): string[] {
  return [...readdirSync(path, { recursive: true })].map((name) => join(path, String(name)));
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

function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

function without(all: readonly string[], some: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of some) counts.set(name, (counts.get(name) ?? 0) + 1);
  return all.filter((name) => {
    const count = counts.get(name) ?? 0;
    counts.set(name, count - 1);
    return count <= 0;
  });
}
