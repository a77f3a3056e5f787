/** A plan by hand, for tests of the wire format. */
import type { KindPlan } from '../../src/plan/plan.ts';

export const smallPlan: KindPlan = {
  namespaces: ['user', 'mount', 'pid'],
  uid: 1000,
  gid: 1000,
  hostname: 'box',
  mounts: [
    { kind: 'tmpfs', target: '/', flags: ['nosuid'], mode: 0o755, bytes: 65536 },
    {
      kind: 'bind',
      source: '/usr',
      target: '/usr',
      flags: ['readonly', 'nosuid', 'nodev', 'recursive'],
    },
    { kind: 'proc', target: '/proc' },
    { kind: 'symlink', target: '/bin', to: 'usr/bin' },
    { kind: 'file', target: '/etc/hosts', content: '127.0.0.1 localhost\n', mode: 0o644 },
    { kind: 'device', source: '/dev/null', target: '/dev/null', major: 1, minor: 3 },
  ],
  seccomp: new Uint8Array([6, 0, 0, 0, 0, 0, 0xff, 0x7f]),
  landlock: {
    abi: 6,
    handledFs: 0xffffn,
    handledNet: 3n,
    scoped: 3n,
    paths: [{ access: 0x5n, path: '/usr' }],
    ports: [{ access: 2n, port: 443 }],
  },
  capabilities: {
    bounding: 0n,
    effective: 0n,
    permitted: 0n,
    inheritable: 0n,
    ambient: 0n,
    securebits: 0xef,
  },
  rlimits: [{ resource: 4, soft: 0n, hard: 0xffff_ffff_ffff_ffffn }],
  cgroup: {
    memoryMaxBytes: 268435456,
    cpuQuotaUs: 100000,
    cpuPeriodUs: 100000,
    cpuWeight: 100,
    pidsMax: 64,
  },
  limits: { wallMs: 10_000, outputBytes: 1_048_576, onOutputLimit: 'truncate' },
  scaffold: ['/workspace'],
};
