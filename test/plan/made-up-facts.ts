/** Facts of made-up hosts. */
import type { HostFacts } from '../../src/plan/facts.ts';

/** A plain Debian as root: cgroup v2, Landlock 6, everything works. */
export const capableHost: HostFacts = {
  platform: 'linux',
  arch: 'x86_64',
  kernel: '6.12.0',
  euid: 0,
  egid: 0,
  landlockAbi: 6,
  seccomp: true,
  seccompListener: 0,
  sideChannels: {
    storeBypass: 3,
    indirectBranch: 3,
    l1dFlush: 8,
    coreScheduling: 0,
    tsc: 0,
    smt: true,
    virtual: false,
  },
  secretMemoryErrno: 0,
  userNamespace: 0,
  otherNamespaces: 0,
  procMount: 0,
  networkFilterErrno: 0,
  packets: {
    errno: 0,
    routes: [
      { to: '192.0.2.0/24', interface: 'eth0', forwards: true },
      { to: '0.0.0.0/0', interface: 'eth0', forwards: true },
    ],
    droppingChains: [],
  },
  idmap: 0,
  overlay: true,
  cgroup: {
    version: 'v2',
    memory: true,
    cpu: true,
    pids: true,
    io: true,
    killFile: true,
    cloneInto: true,
  },
  system: [
    { path: '/usr', kind: 'directory' },
    { path: '/bin', kind: 'symlink', to: 'usr/bin' },
    { path: '/lib', kind: 'symlink', to: 'usr/lib' },
    { path: '/lib64', kind: 'symlink', to: 'usr/lib64' },
    { path: '/opt', kind: 'directory' },
  ],
  etc: {
    localtime: '/usr/share/zoneinfo/Etc/UTC',
    resolvConf: 'nameserver 192.0.2.1\n',
    files: [{ path: '/etc/protocols', content: 'tcp 6 TCP\n' }],
    binds: ['/etc/ssl/certs', '/etc/ld.so.cache'],
  },
  devices: [
    { path: '/dev/null', major: 1, minor: 3 },
    { path: '/dev/fuse', major: 10, minor: 229 },
  ],
  walls: {
    microvm: { ready: false, reason: 'has no /dev/kvm', cure: 'modprobe kvm' },
    gvisor: { ready: false, reason: 'is not part of this release' },
  },
  home: '/home/ada',
  topLevel: ['/dev', '/etc', '/home', '/opt', '/proc', '/srv', '/sys', '/tmp', '/usr', '/var'],
  hardLimits: { 7: 1_048_576 },
};

/** The same for an ordinary user without a delegated cgroup. */
export const ordinaryUser: HostFacts = {
  ...capableHost,
  euid: 1000,
  egid: 1000,
  cgroup: {
    version: 'none',
    memory: false,
    cpu: false,
    pids: false,
    io: false,
    killFile: false,
    cloneInto: false,
  },
};

/** A hybrid host as root: the old hierarchies carry the controllers. */
export const oldHierarchies: HostFacts = {
  ...capableHost,
  cgroup: { ...capableHost.cgroup, version: 'v1', cloneInto: false },
};
