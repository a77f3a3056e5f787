/**
 * Landlock: which accesses exist since which ABI, and the rules for a sandbox (landlock(7), linux/landlock.h).
 * Rules only grant, and what a rule grants holds for everything below its path: a read-only place below a writable
 * one is for the mounts to keep.
 */
import { CaissonError } from '../core/error.ts';
import type { LandlockPathRule, LandlockPlan } from './plan.ts';

/** The newest ABI whose accesses are known here. 7 brought flags for the audit log and no access. */
export const LANDLOCK_ABI = 7;

/** Bits of LANDLOCK_ACCESS_FS_*, the ABI that brought them, and whether a file can have them (else a directory alone). */
const fs = {
  execute: { bit: 1n << 0n, abi: 1, file: true },
  writeFile: { bit: 1n << 1n, abi: 1, file: true },
  readFile: { bit: 1n << 2n, abi: 1, file: true },
  readDir: { bit: 1n << 3n, abi: 1, file: false },
  removeDir: { bit: 1n << 4n, abi: 1, file: false },
  removeFile: { bit: 1n << 5n, abi: 1, file: false },
  makeChar: { bit: 1n << 6n, abi: 1, file: false },
  makeDir: { bit: 1n << 7n, abi: 1, file: false },
  makeReg: { bit: 1n << 8n, abi: 1, file: false },
  makeSock: { bit: 1n << 9n, abi: 1, file: false },
  makeFifo: { bit: 1n << 10n, abi: 1, file: false },
  makeBlock: { bit: 1n << 11n, abi: 1, file: false },
  makeSym: { bit: 1n << 12n, abi: 1, file: false },
  /** Renaming and linking between directories; before ABI 2 always refused with EXDEV. */
  refer: { bit: 1n << 13n, abi: 2, file: false },
  truncate: { bit: 1n << 14n, abi: 3, file: true },
  ioctlDev: { bit: 1n << 15n, abi: 5, file: true },
} as const;
type FsAccess = keyof typeof fs;

const BIND_TCP = 1n << 0n;
const CONNECT_TCP = 1n << 1n;
const NET_ABI = 4;

const SCOPE_ABSTRACT_UNIX_SOCKET = 1n << 0n;
const SCOPE_SIGNAL = 1n << 1n;
const SCOPE_ABI = 6;

const read: readonly FsAccess[] = ['execute', 'readFile', 'readDir'];
/** Not makeChar and makeBlock: a guest has no use for device nodes of its own. */
const write: readonly FsAccess[] = [
  ...read,
  'writeFile',
  'removeDir',
  'removeFile',
  'makeDir',
  'makeReg',
  'makeSock',
  'makeFifo',
  'makeSym',
  'refer',
  'truncate',
];
const device: readonly FsAccess[] = ['readFile', 'writeFile', 'readDir', 'truncate', 'ioctlDev'];

/** What a rule is laid on. A rule on a file may hold accesses of files alone; the kernel says EINVAL otherwise. */
export type LandlockTarget = 'directory' | 'file';

/** Every access to files that the ABI can refuse. */
export function handledAccess(abi: number): bigint {
  return bits(Object.keys(fs) as FsAccess[], abi, 'directory');
}

/** Reading, listing and executing. */
export function readAccess(abi: number, target: LandlockTarget = 'directory'): bigint {
  return bits(read, abi, target);
}

/** Reading too: `write` implies it. */
export function writeAccess(abi: number, target: LandlockTarget = 'directory'): bigint {
  return bits(write, abi, target);
}

/** A device or a directory of devices, such as /dev/pts: ioctl too, nothing made or removed. */
export function deviceAccess(abi: number, target: LandlockTarget = 'directory'): bigint {
  return bits(device, abi, target);
}

function bits(names: readonly FsAccess[], abi: number, target: LandlockTarget): bigint {
  return names.reduce((sum, name) => {
    const access = fs[name];
    return access.abi <= abi && (access.file || target === 'directory') ? sum | access.bit : sum;
  }, 0n);
}

export interface LandlockGrant {
  /** Inside the sandbox: absolute and normalised. */
  readonly path: string;
  readonly access: 'read' | 'write' | 'device';
  /** `directory` by default. */
  readonly target?: LandlockTarget;
}

export interface LandlockRequest {
  /** The host's ABI; 0 where its kernel has no Landlock. */
  readonly abi: number;
  readonly paths: readonly LandlockGrant[];
  /** TCP ports left open; absent: Landlock does not rule over ports. From ABI 4. */
  readonly tcp?: {
    readonly bind: readonly number[];
    /** Absent: it rules over binding alone. */
    readonly connect?: readonly number[];
  };
  /** What is kept within the sandbox's own domain; both by default. From ABI 6. */
  readonly scope?: { readonly abstractSockets: boolean; readonly signals: boolean };
}

/**
 * The rules of a kind of sandbox, or nothing where the kernel has no Landlock.
 * What an older ABI cannot refuse is left out: the caller says in `explain` what then enforces it.
 *
 * @throws CaissonError `PLAN_INVALID` for a path that is not absolute and normalised, a port that is none, or an ABI
 *   that is none
 * @example
 * compileLandlock({ abi: 7, paths: [{ path: '/', access: 'read' }, { path: '/tmp', access: 'write' }] });
 */
export function compileLandlock(request: LandlockRequest): LandlockPlan | undefined {
  const { abi, paths, tcp, scope = { abstractSockets: true, signals: true } } = request;
  if (!Number.isInteger(abi) || abi < 0) throw invalid(`${abi} is no Landlock ABI`);
  if (abi === 0) return undefined;
  const known = Math.min(abi, LANDLOCK_ABI);
  const scoped = known >= SCOPE_ABI;
  const ports = known >= NET_ABI ? tcp : undefined;
  return {
    abi: known,
    handledFs: handledAccess(known),
    handledNet:
      ports === undefined ? 0n : BIND_TCP | (ports.connect === undefined ? 0n : CONNECT_TCP),
    scoped:
      (scoped && scope.abstractSockets ? SCOPE_ABSTRACT_UNIX_SOCKET : 0n) |
      (scoped && scope.signals ? SCOPE_SIGNAL : 0n),
    paths: landlockRules(known, paths),
    ports: ports === undefined ? [] : portRules(ports),
  };
}

/** Rules for paths, those of a job too. Sorted, one for each path: several grants for one path add up. */
export function landlockRules(
  abi: number,
  grants: readonly LandlockGrant[],
): readonly LandlockPathRule[] {
  const byPath = new Map<string, bigint>();
  for (const { path, access, target } of grants) {
    if (!isNormal(path)) throw invalid(`${JSON.stringify(path)} is not an absolute, normal path`);
    const granted = { read: readAccess, write: writeAccess, device: deviceAccess }[access];
    byPath.set(path, (byPath.get(path) ?? 0n) | granted(abi, target));
  }
  return sortedEntries(byPath).map(([path, access]) => ({ path, access }));
}

function portRules(tcp: NonNullable<LandlockRequest['tcp']>): LandlockPlan['ports'] {
  const byPort = new Map<number, bigint>();
  const grant = (ports: readonly number[], access: bigint): void => {
    for (const port of ports) {
      const valid = Number.isInteger(port) && port >= 0 && port <= 65_535;
      if (!valid) throw invalid(`${port} is no TCP port`);
      byPort.set(port, (byPort.get(port) ?? 0n) | access);
    }
  };
  grant(tcp.bind, BIND_TCP);
  grant(tcp.connect ?? [], CONNECT_TCP);
  return sortedEntries(byPort).map(([port, access]) => ({ port, access }));
}

function sortedEntries<K extends string | number>(map: ReadonlyMap<K, bigint>): [K, bigint][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** As the launcher's path_is_normal. */
function isNormal(path: string): boolean {
  if (path === '/') return true;
  const parts = path.split('/');
  return (
    parts[0] === '' &&
    parts.length > 1 &&
    parts.slice(1).every((part) => part !== '' && part !== '.' && part !== '..') &&
    !path.includes('\0')
  );
}

function invalid(message: string): CaissonError {
  return new CaissonError('PLAN_INVALID', { layer: 'plan', message: `Landlock: ${message}` });
}
