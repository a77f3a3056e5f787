/**
 * What `compile` must know of this host: the launcher's probe, and what the file system tells.
 */
import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { homedir, release } from 'node:os';
import { cgroupFact, type LauncherFacts } from '../launcher/protocol/decode-facts.ts';
import type { HostFacts } from '../plan/facts.ts';
import { SYSTEM_DIRECTORIES } from '../policy/system-directories.ts';
import { diagnose } from './doctor.ts';
import { hardLimits } from './hard-limits.ts';
import { packetFacts } from './packet-facts.ts';
import { sideChannelFacts } from './side-channel-facts.ts';
import { gatherSurroundings, type Surroundings } from './surroundings.ts';

export interface FactsOptions {
  /** Device paths of a policy, looked at beside the standard ones. */
  readonly devices?: readonly string[];
}

/**
 * What of the host's /etc a program needs and that tells nothing of the person. Missing ones are left out. Small files
 * are copied: each bind is one more mount that every new sandbox copies.
 */
const etcFiles = [
  '/etc/ld-musl-aarch64.path',
  '/etc/ld-musl-x86_64.path',
  '/etc/os-release',
  '/etc/protocols',
  '/etc/services',
  '/etc/ssl/openssl.cnf',
] as const;
const ETC_FILE_MAX = 16_384;

const etcBinds = [
  '/etc/alternatives',
  '/etc/crypto-policies',
  '/etc/fonts',
  '/etc/ld.so.cache',
  '/etc/mime.types',
  '/etc/pki/ca-trust/extracted',
  '/etc/pki/tls/certs',
  '/etc/ssl/certs',
  '/etc/ssl/cert.pem',
] as const;

const standardDevices = [
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
] as const;

/** Facts of a Linux host. `probe` comes from the launcher (`LauncherClient.probe`). */
export function gatherFacts(probe: LauncherFacts, options: FactsOptions = {}): HostFacts {
  const surroundings = gatherSurroundings();
  const facts: HostFacts = {
    platform: 'linux',
    arch: toArch(probe.architecture),
    kernel: probe.kernel,
    euid: probe.euid,
    egid: process.getegid?.() ?? 0,
    landlockAbi: probe.landlockAbi,
    seccomp: probe.seccomp && probe.seccompErrno === 0,
    ...(probe.seccompListenerErrno === undefined
      ? {}
      : { seccompListener: probe.seccompListenerErrno }),
    ...(probe.auditEnabled === undefined ? {} : { auditEnabled: probe.auditEnabled }),
    ...(probe.auditReadErrno === undefined ? {} : { auditRead: probe.auditReadErrno }),
    ...(probe.networkFilterErrno === undefined
      ? {}
      : { networkFilterErrno: probe.networkFilterErrno }),
    ...packetFacts(probe),
    ...sideChannelFacts(probe),
    ...(probe.secretMemoryErrno === undefined
      ? {}
      : { secretMemoryErrno: probe.secretMemoryErrno }),
    userNamespace: probe.userNamespaceErrno,
    otherNamespaces: probe.otherNamespacesErrno,
    procMount: probe.procMountErrno,
    idmap: probe.idmapErrno,
    overlay: probe.overlay && probe.tmpfsXattrErrno === 0,
    cgroup: toCgroup(probe),
    system: systemEntries(),
    etc: etcFacts(),
    devices: [...standardDevices, ...(options.devices ?? [])].flatMap(deviceOf),
    walls: laterWalls,
    topLevel: topLevel(),
    hardLimits: hardLimits(),
    ...keptGroups(probe.euid),
    ...homeOf(),
  };
  return { ...facts, ...curesFor(facts, surroundings) };
}

/**
 * Facts of a host on which nothing can run, so that `policy` and `explain` work there: macOS, Windows, or a Linux
 * machine without the launcher.
 */
export function minimalFacts(platform: NodeJS.Platform = process.platform): HostFacts {
  return {
    platform: toPlatform(platform),
    arch: toArch(process.arch === 'x64' ? 'x86_64' : process.arch === 'arm64' ? 'aarch64' : ''),
    kernel: release(),
    euid: process.geteuid?.() ?? 1000,
    egid: process.getegid?.() ?? 1000,
    landlockAbi: 0,
    seccomp: false,
    userNamespace: ENOSYS,
    otherNamespaces: ENOSYS,
    procMount: ENOSYS,
    idmap: ENOSYS,
    overlay: false,
    cgroup: {
      version: 'none',
      memory: false,
      cpu: false,
      pids: false,
      io: false,
      killFile: false,
      cloneInto: false,
    },
    system: systemEntries(),
    etc: { binds: [] },
    devices: [],
    walls: laterWalls,
    ...homeOf(),
  };
}

const ENOSYS = 38;

const laterWalls: HostFacts['walls'] = Object.fromEntries(
  ['container', 'gvisor', 'microvm', 'enclave'].map((wall) => [
    wall,
    { ready: false, reason: 'is not part of this release' },
  ]),
);

function toPlatform(platform: NodeJS.Platform): HostFacts['platform'] {
  return platform === 'linux' || platform === 'darwin' || platform === 'win32' ? platform : 'other';
}

function toArch(name: string): HostFacts['arch'] {
  return name === 'x86_64' || name === 'aarch64' ? name : 'other';
}

/** v1 controllers win where both are there: on a hybrid host the unified hierarchy carries none. */
function toCgroup(probe: LauncherFacts): HostFacts['cgroup'] {
  const has = (bit: number): boolean => (probe.cgroup & bit) !== 0;
  const f = cgroupFact;
  const v1 = has(f.v1Memory) || has(f.v1Cpu) || has(f.v1Pids) || has(f.v1Blkio);
  const v2 = has(f.v2Memory) || has(f.v2Cpu) || has(f.v2Pids) || has(f.v2Io);
  return {
    version: v2 ? 'v2' : v1 ? 'v1' : 'none',
    memory: has(f.v2Memory) || (!v2 && has(f.v1Memory)),
    cpu: has(f.v2Cpu) || (!v2 && has(f.v1Cpu)),
    pids: has(f.v2Pids) || (!v2 && has(f.v1Pids)),
    io: has(f.v2Io) || (!v2 && has(f.v1Blkio)),
    killFile: has(f.killFile),
    cloneInto: has(f.cloneInto),
  };
}

function systemEntries(): HostFacts['system'] {
  return SYSTEM_DIRECTORIES.flatMap((path): HostFacts['system'] => {
    try {
      const stat = lstatSync(path);
      if (stat.isSymbolicLink()) return [{ path, kind: 'symlink', to: readlinkSync(path) }];
      return stat.isDirectory() ? [{ path, kind: 'directory' }] : [];
    } catch {
      return [];
    }
  });
}

function etcFacts(): HostFacts['etc'] {
  const localtime = localtimeOf();
  const resolvConf = textOf('/etc/resolv.conf');
  const hosts = textOf('/etc/hosts');
  const java = namesIn('/etc')
    .filter((name) => /^java(-\d+)?(-openjdk)?$/.test(name))
    .map((name) => `/etc/${name}`);
  const binds = [...etcBinds, ...java, ...(localtime === undefined ? ['/etc/localtime'] : [])];
  return {
    ...(localtime === undefined ? {} : { localtime }),
    ...(resolvConf === undefined ? {} : { resolvConf }),
    ...(hosts === undefined ? {} : { hosts }),
    files: etcFiles.flatMap((path) => {
      const content = textOf(path);
      return content === undefined || content.length > ETC_FILE_MAX ? [] : [{ path, content }];
    }),
    binds: binds.filter((path) => isPlain(path)),
  };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** A file or directory whose path holds no link, as the launcher requires of what it binds. */
function isPlain(path: string): boolean {
  try {
    return realpathSync(path) === path;
  } catch {
    return false;
  }
}

function localtimeOf(): string | undefined {
  try {
    const real = realpathSync('/etc/localtime');
    return real.startsWith('/usr/') ? real : undefined;
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return text.length <= 65_536 && !text.includes('\0') ? text : undefined;
  } catch {
    return undefined;
  }
}

function deviceOf(path: string): HostFacts['devices'] {
  try {
    const stat = statSync(path);
    if (!stat.isCharacterDevice() || realpathSync(path) !== path) return [];
    return [{ path, major: majorOf(stat.rdev), minor: minorOf(stat.rdev) }];
  } catch {
    return [];
  }
}

/** makedev(3) of glibc and musl, undone; rdev can pass 2^32. */
function majorOf(rdev: number): number {
  const wide = BigInt(rdev);
  return Number(((wide >> 32n) & 0xffff_f000n) | ((wide >> 8n) & 0xfffn));
}

function minorOf(rdev: number): number {
  const wide = BigInt(rdev);
  return Number(((wide >> 12n) & 0xffff_ff00n) | (wide & 0xffn));
}

function topLevel(): readonly string[] {
  return readdirSync('/', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `/${name}`)
    .sort();
}

function homeOf(): { home?: string } {
  const home = homedir();
  return home.startsWith('/') && home !== '/' ? { home } : {};
}

function curesFor(
  facts: HostFacts,
  surroundings: Surroundings,
): { cgroupCure?: string; namespaceCure?: string } {
  const findings = diagnose(facts, surroundings).findings;
  const cureOf = (of: string): string | undefined =>
    findings.find((finding) => finding.of === of && finding.cure !== undefined)?.cure;
  const cgroupCure = cureOf('cgroups');
  const namespaceCure = cureOf('user namespaces') ?? cureOf('/proc');
  return {
    ...(cgroupCure === undefined ? {} : { cgroupCure }),
    ...(namespaceCure === undefined ? {} : { namespaceCure }),
  };
}

function keptGroups(euid: number): Pick<HostFacts, 'supplementaryGroups'> {
  const own = process.getegid?.();
  const others = (process.getgroups?.() ?? []).filter((group) => group !== own);
  return euid === 0 || others.length === 0 ? {} : { supplementaryGroups: others };
}
