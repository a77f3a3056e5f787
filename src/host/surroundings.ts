/**
 * Where this host runs: container, CI, distribution, and the switches that make namespaces and cgroups work or not.
 */
import { existsSync, readFileSync } from 'node:fs';

export interface Surroundings {
  /** kernel.apparmor_restrict_unprivileged_userns (Ubuntu 23.10 and later); absent elsewhere. */
  readonly apparmorRestrictsNamespaces?: boolean;
  /** user.max_user_namespaces */
  readonly maxUserNamespaces?: number;
  /** kernel.unprivileged_userns_clone (Debian and Arch patches); absent elsewhere. */
  readonly unprivilegedNamespaces?: boolean;
  /** What kind of container this is, if one. */
  readonly container?: 'docker' | 'podman' | 'kubernetes' | 'other';
  /** Whether parts of /proc are covered by other mounts. */
  readonly procCovered: boolean;
  /** Whether the cgroup file systems are mounted read-only, as container engines do. */
  readonly cgroupsReadOnly: boolean;
  /** Which kind of cgroup hierarchy carries the controllers here, whether this user may use it or not; absent: none. */
  readonly cgroupVersion?: 'v1' | 'v2';
  readonly githubActions: boolean;
  /** systemd runs as PID 1. */
  readonly systemd: boolean;
  /** A user session of systemd is there to ask for a delegated scope. */
  readonly systemdUser: boolean;
  /** Whether the running kernel names Landlock among its active security modules; absent where that cannot be read. */
  readonly landlockActive?: boolean;
}

export function gatherSurroundings(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Surroundings {
  const apparmor = readNumber('/proc/sys/kernel/apparmor_restrict_unprivileged_userns');
  const maximum = readNumber('/proc/sys/user/max_user_namespaces');
  const clone = readNumber('/proc/sys/kernel/unprivileged_userns_clone');
  const container = containerOf(env);
  const mountinfo = readText('/proc/self/mountinfo') ?? '';
  const lsm = readText('/sys/kernel/security/lsm');
  const runtimeDirectory = env.XDG_RUNTIME_DIR;
  const cgroupVersion = cgroupVersionIn(mountinfo);
  return {
    ...(apparmor === undefined ? {} : { apparmorRestrictsNamespaces: apparmor !== 0 }),
    ...(maximum === undefined ? {} : { maxUserNamespaces: maximum }),
    ...(clone === undefined ? {} : { unprivilegedNamespaces: clone !== 0 }),
    ...(container === undefined ? {} : { container }),
    procCovered: coversProc(mountinfo),
    cgroupsReadOnly: cgroupsReadOnly(mountinfo),
    ...(cgroupVersion === undefined ? {} : { cgroupVersion }),
    githubActions: env.GITHUB_ACTIONS === 'true',
    systemd: existsSync('/run/systemd/system'),
    systemdUser:
      runtimeDirectory !== undefined && existsSync(`${runtimeDirectory}/systemd/private`),
    ...(lsm === undefined ? {} : { landlockActive: lsm.trim().split(',').includes('landlock') }),
  };
}

/**
 * On a hybrid host the old hierarchies carry the controllers, and the unified one beside them carries none.
 *
 * @param mountinfo of proc(5)
 */
export function cgroupVersionIn(mountinfo: string): 'v1' | 'v2' | undefined {
  if (/ - cgroup \S+ \S*\bmemory\b/.test(mountinfo)) return 'v1';
  return / - cgroup2 /.test(mountinfo) ? 'v2' : undefined;
}

/**
 * Whether something is mounted below /proc that is not there by right: then the kernel lets no user namespace mount a
 * /proc of its own (mount_too_revealing, fs/namespace.c).
 *
 * @param mountinfo of proc(5)
 */
export function coversProc(mountinfo: string): boolean {
  return mountinfo.split('\n').some((line) => {
    const point = line.split(' ')[4] ?? '';
    return point.startsWith('/proc/') && point !== '/proc/sys/fs/binfmt_misc';
  });
}

/** @param mountinfo of proc(5) */
export function cgroupsReadOnly(mountinfo: string): boolean {
  const mounts = mountinfo
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => (line.split(' ')[5] ?? '').split(','));
  return mounts.length > 0 && mounts.every((options) => options.includes('ro'));
}

function containerOf(env: Readonly<Record<string, string | undefined>>): Surroundings['container'] {
  if (env.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes';
  if (existsSync('/.dockerenv')) return 'docker';
  if (existsSync('/run/.containerenv')) return 'podman';
  return env.container === undefined ? undefined : 'other';
}

function readNumber(path: string): number | undefined {
  const text = readText(path)?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
