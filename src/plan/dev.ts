/**
 * A minimal /dev, a /proc without what tells of the host, and /sys where it is asked for.
 */
import { CaissonError } from '../core/error.ts';
import type { Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Mount } from './plan.ts';

/** devices.txt of the kernel: major and minor numbers are fixed for good. */
const standardDevices = [
  { path: '/dev/null', major: 1, minor: 3 },
  { path: '/dev/zero', major: 1, minor: 5 },
  { path: '/dev/full', major: 1, minor: 7 },
  { path: '/dev/random', major: 1, minor: 8 },
  { path: '/dev/urandom', major: 1, minor: 9 },
  { path: '/dev/tty', major: 5, minor: 0 },
] as const;

/** What of /proc speaks of the host and not of the sandbox (proc(5)). What a host does not have is not masked. */
const maskedProc = [
  'acpi',
  'asound',
  'bus',
  'fs',
  'irq',
  'kallsyms',
  'kcore',
  'key-users',
  'keys',
  'latency_stats',
  'sched_debug',
  'scsi',
  'sysrq-trigger',
  'timer_list',
  'timer_stats',
] as const;

const maskedSys = ['firmware', 'kernel', 'devices/virtual/powercap'] as const;

/** @throws CaissonError `PATH_MISSING` for a device of the policy that the host does not have */
export function compileDev(policy: Policy, facts: HostFacts, findings: Findings): Mount[] {
  const asked = policy.devices
    .filter((path) => !standardDevices.some((device) => device.path === path))
    .map((path) => hostDevice(path, facts));
  const devices = [...standardDevices, ...asked];
  const link = (name: string, to: string): Mount => ({
    kind: 'symlink',
    target: `/dev/${name}`,
    to,
  });
  findings.enforce(
    'devices',
    [...devices.map(({ path }) => path.slice('/dev/'.length)), 'pts'].join(', '),
    ['private /dev, device numbers checked', 'nodev on every other mount'],
    'false-proc-dev',
  );
  /* A file system of its own, the only one without nodev, read-only once filled: root makes its nodes by number, others bind the host's. */
  return [
    {
      kind: 'tmpfs',
      target: '/dev',
      flags: ['readonly', 'nosuid', 'noexec'],
      bytes: 65_536,
      inodes: 128,
      mode: 0o755,
    },
    ...devices.map(
      ({ path, major, minor }): Mount => ({
        kind: 'device',
        source: path,
        target: path,
        major,
        minor,
      }),
    ),
    link('fd', '/proc/self/fd'),
    link('stdin', '/proc/self/fd/0'),
    link('stdout', '/proc/self/fd/1'),
    link('stderr', '/proc/self/fd/2'),
    link('ptmx', 'pts/ptmx'),
    { kind: 'devpts', target: '/dev/pts' },
  ];
}

export function compileProc(findings: Findings): Mount[] {
  findings.enforce(
    'proc',
    'the processes of the sandbox alone',
    ['pid namespace', `masks over ${maskedProc.join(', ')}`],
    'false-proc-dev',
  );
  return [
    { kind: 'proc', target: '/proc' },
    ...maskedProc.map((name): Mount => ({ kind: 'mask', target: `/proc/${name}` })),
  ];
}

export function compileSys(policy: Policy, findings: Findings): Mount[] {
  if (!policy.sys) return [];
  findings.enforce(
    'sys',
    'read-only',
    ['sysfs of the network namespace, read-only', `masks over ${maskedSys.join(', ')}`],
    'false-proc-dev',
  );
  return [
    { kind: 'sysfs', target: '/sys' },
    ...maskedSys.map((name): Mount => ({ kind: 'mask', target: `/sys/${name}` })),
  ];
}

function hostDevice(path: string, facts: HostFacts): HostFacts['devices'][number] {
  const found = facts.devices.find((device) => device.path === path);
  if (found !== undefined) return found;
  throw new CaissonError('PATH_MISSING', {
    layer: 'plan',
    message: `the policy names the device ${path}, and this host has no such character device`,
    hint: 'take it out of `devices`, or load the driver that makes it',
    details: { path },
  });
}
