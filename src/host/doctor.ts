/**
 * What stands in the way on this host: for each wall ready, what is missing, and the command that fixes it.
 * A function of facts alone; `facts.ts` and `surroundings.ts` gather them.
 */

import { DELEGATE } from '../plan/cgroup.ts';
import type { HostFacts } from '../plan/facts.ts';
import { isEngineWall, wallState } from '../plan/select.ts';
import type { WallName } from '../policy/policy.ts';
import { delegateByHand } from './cgroup-cure.ts';
import { containerCgroupCure, containerCure, nameOf } from './container-cure.ts';
import { engineState } from './engine-walls.ts';
import { networkFilter } from './network-filter.ts';
import type { Surroundings } from './surroundings.ts';

export interface DoctorFinding {
  /** What was looked at. */
  readonly of:
    | 'platform'
    | 'user namespaces'
    | '/proc'
    | 'seccomp'
    | 'Landlock'
    | 'filtered network'
    | 'cgroups'
    | 'idmapped mounts'
    | 'overlay';
  /** `missing` stops the process wall, `weaker` leaves some policies to be refused. */
  readonly state: 'ok' | 'weaker' | 'missing';
  readonly detail: string;
  /** What makes it so. */
  readonly cause?: string;
  /** The command or flag that fixes it. */
  readonly cure?: string;
}

export interface WallDiagnosis {
  readonly wall: WallName;
  readonly ready: boolean;
  readonly reason: string;
  readonly cure?: string;
}

export interface Diagnosis {
  readonly findings: readonly DoctorFinding[];
  readonly walls: readonly WallDiagnosis[];
}

const EPERM = 1;
const ENOSPC = 28;

/** @param isolateLacks what stands in the way of the isolate wall's engine, from `isolateEngineLacks` */
export function diagnose(
  facts: HostFacts,
  surroundings: Surroundings,
  isolateLacks?: string,
): Diagnosis {
  const findings: DoctorFinding[] =
    facts.platform === 'linux'
      ? [
          userNamespaces(facts, surroundings),
          procMount(facts, surroundings),
          seccomp(facts),
          landlock(facts, surroundings),
          networkFilter(facts, surroundings),
          cgroups(facts, surroundings),
          idmapped(facts),
          overlay(facts),
        ]
      : [
          {
            of: 'platform',
            state: 'missing',
            detail: `this is ${facts.platform}`,
            cause: 'the walls of this release are made of Linux namespaces',
            cure: cureForPlatform(facts.platform),
          },
        ];
  const missing = findings.find(({ state, cure }) => state === 'missing' && cure !== undefined);
  const walls: readonly WallName[] = [
    'process',
    'child',
    'container',
    'gvisor',
    'microvm',
    'enclave',
    'isolate',
    'wasm',
  ];
  return {
    findings,
    walls: walls.map((wall) => {
      if (isEngineWall(wall)) return engineState(wall, facts, isolateLacks);
      const state = wallState(wall, facts);
      const cure = wall === 'process' && !state.ready ? (missing?.cure ?? state.cure) : state.cure;
      return { ...state, ...(cure === undefined ? {} : { cure }) };
    }),
  };
}

function cureForPlatform(platform: HostFacts['platform']): string {
  if (platform === 'darwin') return 'limactl start && lima caisson run -- …';
  if (platform === 'win32') return 'wsl --install, then run caisson inside';
  return 'run it on Linux';
}

function userNamespaces(facts: HostFacts, where: Surroundings): DoctorFinding {
  const of = 'user namespaces';
  const errno = facts.userNamespace !== 0 ? facts.userNamespace : facts.otherNamespaces;
  if (errno === 0) return { of, state: 'ok', detail: 'work' };
  const missing = (detail: string, cause: string, cure: string): DoctorFinding => ({
    of,
    state: 'missing',
    detail,
    cause,
    cure,
  });
  const root = facts.euid === 0 ? '' : 'sudo ';
  const refused = `refused (errno ${errno})`;
  if (where.maxUserNamespaces === 0 || (errno === ENOSPC && where.container === undefined)) {
    return missing(
      refused,
      'user.max_user_namespaces allows none or no more',
      `${root}sysctl -w user.max_user_namespaces=15000`,
    );
  }
  if (facts.euid !== 0 && where.unprivilegedNamespaces === false) {
    return missing(
      refused,
      'kernel.unprivileged_userns_clone=0',
      'sudo sysctl -w kernel.unprivileged_userns_clone=1',
    );
  }
  /* A container's seccomp filter refuses before AppArmor is asked. */
  if (where.container !== undefined) {
    return missing(
      refused,
      `${nameOf(where.container)} forbids namespaces inside its containers`,
      containerCure(where.container),
    );
  }
  if (where.apparmorRestrictsNamespaces === true && facts.euid !== 0) {
    return missing(
      refused,
      'kernel.apparmor_restrict_unprivileged_userns=1 (Ubuntu 23.10 and later)',
      where.githubActions
        ? 'a step before this one: run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'
        : 'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    );
  }
  if (facts.userNamespace === EPERM || facts.otherNamespaces === EPERM) {
    return missing(
      refused,
      'a security module or a seccomp filter around this process forbids them',
      'start it outside of that confinement',
    );
  }
  return missing(
    refused,
    'the kernel has none',
    'use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS',
  );
}

function procMount(facts: HostFacts, where: Surroundings): DoctorFinding {
  const of = '/proc';
  if (facts.procMount === 0) return { of, state: 'ok', detail: 'a sandbox can have its own' };
  if (facts.userNamespace !== 0 || facts.otherNamespaces !== 0) {
    return { of, state: 'missing', detail: 'not tried, since namespaces do not work' };
  }
  const covered = where.procCovered || where.container !== undefined;
  return {
    of,
    state: 'missing',
    detail: `a sandbox cannot have its own (errno ${facts.procMount})`,
    cause: covered
      ? 'parts of /proc are covered, as container engines do, and the kernel lets nobody see more than was shown'
      : 'a security module forbids mounting it',
    cure:
      where.container !== undefined
        ? containerCure(where.container)
        : covered
          ? 'uncover it: findmnt -R /proc names the mounts; umount each'
          : 'start it outside of that confinement',
  };
}

function seccomp(facts: HostFacts): DoctorFinding {
  return facts.seccomp
    ? { of: 'seccomp', state: 'ok', detail: 'filters work' }
    : {
        of: 'seccomp',
        state: 'missing',
        detail: 'no filters',
        cause: 'the kernel was built without them, or this process may not add one',
        cure: 'use a kernel with CONFIG_SECCOMP_FILTER=y',
      };
}

function landlock(facts: HostFacts, where: Surroundings): DoctorFinding {
  const of = 'Landlock';
  if (facts.landlockAbi >= 1) {
    return { of, state: 'ok', detail: `ABI ${facts.landlockAbi}` };
  }
  const built = where.landlockActive === false;
  return {
    of,
    state: 'weaker',
    detail: 'absent: strict policies are refused without --accept landlock:absent',
    cause:
      where.container !== undefined && !built
        ? `${nameOf(where.container)} filters its system calls, or the kernel has none`
        : built
          ? 'the kernel has it and boots without it'
          : 'the kernel is older than 5.13 or was built without it',
    cure: built
      ? 'add landlock to the kernel parameter lsm= (current list: cat /sys/kernel/security/lsm) and boot again'
      : where.container !== undefined
        ? containerCure(where.container)
        : 'use a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK=y',
  };
}

function cgroups(facts: HostFacts, where: Surroundings): DoctorFinding {
  const of = 'cgroups';
  const { cgroup } = facts;
  const lacking = (['memory', 'cpu', 'pids', 'io'] as const).filter((name) => !cgroup[name]);
  const needed = lacking.filter((name) => name !== 'io');
  if (needed.length === 0) {
    const io = lacking.length > 0 ? '; no I/O rates' : '';
    return { of, state: 'ok', detail: `${cgroup.version}: memory, cpu, pids${io}` };
  }
  return {
    of,
    state: 'weaker',
    detail: `without ${needed.join(', ')}: strict policies are refused without --accept`,
    ...cgroupCause(facts, where),
  };
}

function cgroupCause(facts: HostFacts, where: Surroundings): { cause: string; cure: string } {
  if (where.container !== undefined && where.cgroupsReadOnly) {
    return {
      cause: 'the container sees its cgroups read-only',
      cure: containerCgroupCure(where.container),
    };
  }
  if (facts.euid === 0) {
    return {
      cause: 'no cgroup hierarchy with these controllers is mounted writable',
      cure: 'mount -t cgroup2 none /sys/fs/cgroup',
    };
  }
  if (where.systemd && where.cgroupVersion === 'v1') {
    return {
      cause: 'systemd delegates the old hierarchies to no user',
      cure: 'boot with the kernel parameter systemd.unified_cgroup_hierarchy=1, or run it as root',
    };
  }
  if (where.systemdUser) {
    return { cause: 'no cgroup is delegated to this user', cure: DELEGATE };
  }
  if (where.systemd) {
    return {
      cause: 'this user has no systemd session that could delegate one',
      cure: 'sudo loginctl enable-linger "$USER", log in again, then systemd-run --user --scope -p Delegate=yes caisson …',
    };
  }
  return {
    cause: 'no cgroup is delegated to this user, and no systemd is there to do it',
    cure: delegateByHand(where.cgroupVersion),
  };
}

function idmapped(facts: HostFacts): DoctorFinding {
  const of = 'idmapped mounts';
  if (facts.euid !== 0)
    return { of, state: 'ok', detail: 'not needed: the guest is mapped to the caller' };
  if (facts.idmap === 0) return { of, state: 'ok', detail: 'work where the root directory lies' };
  return {
    of,
    state: 'weaker',
    detail: `refused by the file system of the root directory (errno ${facts.idmap}); a workspace on it is refused`,
    cause: 'overlay file systems, as containers have them, know none',
    cure: 'put the workspace on ext4, xfs, btrfs or tmpfs (in Docker: a volume, docker run -v DIR:/work …), or run as the ordinary user who owns it',
  };
}

function overlay(facts: HostFacts): DoctorFinding {
  return facts.overlay
    ? { of: 'overlay', state: 'ok', detail: 'changes to a workspace can be kept aside' }
    : {
        of: 'overlay',
        state: 'weaker',
        detail: 'changes to a workspace cannot be kept aside',
        cause: 'the kernel knows no overlay in user namespaces with user.* attributes',
        cure: 'use a kernel of 5.11 or later with CONFIG_OVERLAY_FS, and one of 6.6 for the attributes; or workspace: direct',
      };
}

/** For a terminal. */
export function renderDiagnosis({ findings, walls }: Diagnosis): string {
  const mark = { ok: 'ok     ', weaker: 'weaker ', missing: 'MISSING' } as const;
  const lines = ['host'];
  for (const { of, state, detail, cause, cure } of findings) {
    lines.push(`  ${mark[state]}  ${of}: ${detail}`);
    if (cause !== undefined) lines.push(`           because ${cause}`);
    if (cure !== undefined) lines.push(`           cure: ${cure}`);
  }
  lines.push('', 'walls');
  for (const { wall, ready, reason, cure } of walls) {
    lines.push(`  ${ready ? 'ready  ' : 'no     '}  ${wall}: ${reason}`);
    if (!ready && cure !== undefined) lines.push(`           cure: ${cure}`);
  }
  return `${lines.join('\n')}\n`;
}
