/**
 * What `compile` must know of a host. A value: `host/` gathers it, tests write it by hand.
 */
export interface HostFacts {
  readonly platform: 'linux' | 'darwin' | 'win32' | 'other';
  readonly arch: 'x86_64' | 'aarch64' | 'other';
  readonly kernel: string;
  readonly euid: number;
  readonly egid: number;
  /** Groups of the caller beside its own, where the launcher cannot let go of them (it is not root). Absent: none. */
  readonly supplementaryGroups?: readonly number[];
  /** Landlock ABI; 0 where the kernel has none. */
  readonly landlockAbi: number;
  readonly seccomp: boolean;
  /** 0 where a filter can hand calls to somebody outside, else the errno that said no; absent: not known. */
  readonly seccompListener?: number;
  /** Whether the kernel's audit log is on. Absent: not known. */
  readonly auditEnabled?: boolean;
  /**
   * 0 where we may listen to it, else the errno that said no; EOPNOTSUPP (95) where an overflow of it ends the machine.
   * Absent: not known.
   */
  readonly auditRead?: number;
  /** What kernel and processor can do against side channels. Absent: not known. */
  readonly sideChannels?: {
    /** PR_GET_SPECULATION_CTRL (linux/prctl.h): 0 not affected, bit 1 can be set for a process; negative: errno. */
    readonly storeBypass: number;
    readonly indirectBranch: number;
    readonly l1dFlush: number;
    /** 0 works, ENODEV where no two threads share a core, else the errno that said no. */
    readonly coreScheduling: number;
    /** 0: reading the time stamp counter can be forbidden and then fails; else an errno. */
    readonly tsc: number;
    /** Whether threads share cores (SMT), as this kernel sees it; absent: it does not say. */
    readonly smt?: boolean;
    /** Whether this is a virtual machine, whose processors may share cores with strangers. */
    readonly virtual: boolean;
  };
  /** 0 where memory can be had that no other process reads (memfd_secret), else the errno that said no; absent: not known. */
  readonly secretMemoryErrno?: number;
  /** 0 works, else the errno that said no. */
  readonly userNamespace: number;
  readonly otherNamespaces: number;
  readonly procMount: number;
  /** errno of routes to loopback and nftables with tproxy in a new network namespace; 0 works, absent: not known. */
  readonly networkFilterErrno?: number;
  /** What the host does with packets. Absent: not known. */
  readonly packets?: {
    /** errno of a veth pair with a packet filter on both sides; 0 works. EPERM for who is not root. */
    readonly errno: number;
    /** Where packets leave for a block, the longest prefix first, and whether what comes back there is forwarded. */
    readonly routes: readonly {
      readonly to: string;
      readonly interface: string;
      readonly forwards: boolean;
    }[];
    /** Chains of others that drop what they do not name: `ip filter FORWARD`. */
    readonly droppingChains: readonly string[];
  };
  /** errno of an idmapped mount, by file system type of what was tried. */
  readonly idmap: number;
  readonly overlay: boolean;
  readonly cgroup: {
    /** `v2`: controllers in the unified hierarchy; `v1`: the old ones (with or without a unified twin). */
    readonly version: 'v1' | 'v2' | 'none';
    readonly memory: boolean;
    readonly cpu: boolean;
    readonly pids: boolean;
    readonly io: boolean;
    readonly killFile: boolean;
    readonly cloneInto: boolean;
  };
  /** Directories of the host that make the system view, and what is a link there (`/bin` → `usr/bin`). */
  readonly system: readonly (
    | { readonly path: string; readonly kind: 'directory' }
    | { readonly path: string; readonly kind: 'symlink'; readonly to: string }
  )[];
  /** Files of the synthetic /etc: content taken from the host (hosts is made up, passwd too). */
  readonly etc: {
    /** Where the link /etc/localtime points, below a system directory. A plain file is among `binds` instead. */
    readonly localtime?: string;
    readonly nsswitch?: string;
    /** Content of resolv.conf and hosts, used only where the guest shares the host's network. */
    readonly resolvConf?: string;
    readonly hosts?: string;
    /** Small files, copied. */
    readonly files?: readonly { readonly path: string; readonly content: string }[];
    /** Host directories and files bound read-only into /etc: ssl, ca-certificates, alternatives, ld.so.cache … */
    readonly binds: readonly string[];
  };
  /** Character devices present on the host. */
  readonly devices: readonly {
    readonly path: string;
    readonly major: number;
    readonly minor: number;
  }[];
  /** Walls of commands beyond `process`: whether each is ready, and why not. */
  readonly walls: Readonly<
    Record<string, { readonly ready: boolean; readonly reason: string; readonly cure?: string }>
  >;
  /** The caller's home, absolute; absent where there is none. */
  readonly home?: string;
  /** Top-level directories of the host, for a policy that names `/`. */
  readonly topLevel?: readonly string[];
  /** Hard limits of the caller (getrlimit(2)), by RLIMIT_* number; null is unlimited. */
  readonly hardLimits?: Readonly<Record<number, number | null>>;
  /** How to get a delegated cgroup on this host, as `doctor` found it. */
  readonly cgroupCure?: string;
  /** Why user namespaces do not work here and what to do about it, as `doctor` found it. */
  readonly namespaceCure?: string;
}
