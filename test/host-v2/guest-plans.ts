/** Plans for the cgroup v2 guest, whose whole system is one directory of busybox. */

import type { GuestFile } from '../../scripts/cgroup-v2-guest.ts';
import { encodeJob } from '../../src/launcher/protocol/encode-job.ts';
import { encodePlan } from '../../src/launcher/protocol/encode-plan.ts';
import type { CgroupPlan, Job, KindPlan, RunLimits } from '../../src/plan/plan.ts';

const job: Job = {
  argv: [],
  env: [['PATH', '/bin']],
  cwd: '/',
  mounts: [],
  landlock: [],
  stdin: 'null',
  stdout: 'capture',
  stderr: 'capture',
};

/** Every namespace, no capability, read-only root: what every guest of busybox has. */
export function busyboxPlan(
  more: { readonly mounts?: KindPlan['mounts'] } & Partial<Omit<KindPlan, 'mounts'>>,
): KindPlan {
  const { mounts = [], ...rest } = more;
  return {
    namespaces: ['user', 'mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
    uid: 1000,
    gid: 1000,
    hostname: 'guest',
    mounts: [
      { kind: 'tmpfs', target: '/', flags: ['readonly', 'nosuid', 'nodev'], mode: 0o755 },
      { kind: 'directory', target: '/bin', mode: 0o755 },
      { kind: 'bind', source: '/bin', target: '/bin', flags: ['readonly', 'nosuid', 'nodev'] },
      { kind: 'directory', target: '/proc', mode: 0o755 },
      { kind: 'proc', target: '/proc' },
      // The root's devices do not open; these have a file system of their own.
      { kind: 'directory', target: '/dev', mode: 0o755 },
      { kind: 'tmpfs', target: '/dev', flags: ['nosuid', 'noexec'], mode: 0o755 },
      { kind: 'device', source: '/dev/null', target: '/dev/null', major: 1, minor: 3 },
      { kind: 'device', source: '/dev/zero', target: '/dev/zero', major: 1, minor: 5 },
      ...mounts,
    ],
    capabilities: {
      bounding: 0n,
      effective: 0n,
      permitted: 0n,
      inheritable: 0n,
      ambient: 0n,
      securebits: 0x2f,
    },
    rlimits: [],
    limits: { onOutputLimit: 'truncate' },
    scaffold: [],
    ...rest,
  };
}

/** With the cgroup that is asked for. */
export function guestPlan(cgroup: CgroupPlan, wallMs?: number): Uint8Array {
  const limits: RunLimits = {
    onOutputLimit: 'truncate',
    ...(wallMs === undefined ? {} : { wallMs }),
  };
  return encodePlan(busyboxPlan({ cgroup, limits }), encodeJob(job));
}

export function planFile(name: string, cgroup: CgroupPlan, wallMs?: number): GuestFile {
  return { path: `/plans/${name}`, content: guestPlan(cgroup, wallMs) };
}
