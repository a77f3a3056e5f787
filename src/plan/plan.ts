/**
 * The plan: what each mechanism must do. Plain data; `launcher/protocol` writes it as bytes
 * (protocol/PROTOCOL.md), the launcher carries it out and knows no policy.
 */
import type { NameSet, Policy } from '../policy/policy.ts';

export type Namespace = 'user' | 'mount' | 'pid' | 'net' | 'ipc' | 'uts' | 'cgroup';

export type MountFlag =
  | 'readonly'
  | 'nosuid'
  | 'nodev'
  | 'noexec'
  | 'recursive'
  | 'idmap'
  | 'optional'
  | 'private'
  | 'nosymfollow';

/** One step of building the sandbox's root. Paths inside are absolute and normalised. */
export type Mount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly flags: readonly MountFlag[];
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly flags: readonly MountFlag[];
      readonly bytes?: number;
      readonly inodes?: number;
      readonly mode: number;
    }
  | { readonly kind: 'proc' | 'devpts' | 'mqueue' | 'sysfs' | 'mask'; readonly target: string }
  | { readonly kind: 'directory'; readonly target: string; readonly mode: number }
  | {
      readonly kind: 'file';
      readonly target: string;
      readonly content: string;
      readonly mode: number;
    }
  | { readonly kind: 'symlink'; readonly target: string; readonly to: string }
  | {
      readonly kind: 'device';
      readonly source: string;
      readonly target: string;
      readonly major: number;
      readonly minor: number;
    }
  | {
      readonly kind: 'overlay';
      readonly source: string;
      readonly target: string;
      readonly upper: string;
      readonly work: string;
      readonly flags: readonly MountFlag[];
    }
  | { readonly kind: 'readonly'; readonly target: string };

export interface LandlockPathRule {
  /** Bits of LANDLOCK_ACCESS_FS_*. */
  readonly access: bigint;
  /** Inside the sandbox. */
  readonly path: string;
}

export interface LandlockPlan {
  readonly abi: number;
  readonly handledFs: bigint;
  readonly handledNet: bigint;
  readonly scoped: bigint;
  readonly paths: readonly LandlockPathRule[];
  readonly ports: readonly { readonly access: bigint; readonly port: number }[];
  /** What it refuses goes to the audit log of the host. Absent: it does not. From ABI 7. */
  readonly log?: true;
}

export interface CapabilityPlan {
  /** Bit n is capability n (capabilities(7)). */
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
  readonly securebits: number;
}

export interface Rlimit {
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export interface CgroupPlan {
  readonly memoryMaxBytes?: number;
  readonly memoryHighBytes?: number;
  readonly swapMaxBytes?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuWeight?: number;
  readonly pidsMax?: number;
  readonly readBytesPerSecond?: number;
  readonly writeBytesPerSecond?: number;
}

export interface RunLimits {
  readonly wallMs?: number;
  readonly cpuMs?: number;
  readonly outputBytes?: number;
  readonly onOutputLimit: 'truncate' | 'kill';
}

/** A system call that the filter hands to the launcher, which records it and refuses it. */
export interface NotifiedCall {
  readonly number: number;
  /** What it is answered: a value of errno(3). */
  readonly errno: number;
  /** The run ends for it. */
  readonly ends: boolean;
  /** But not for a call whose first argument, as 32 bits, is this. */
  readonly spared?: number;
  /** For messages. */
  readonly name: string;
}

/** What the kernel is asked for against side channels; see `side-channels.ts`. */
export type SideChannelControl =
  | 'store-bypass'
  | 'indirect-branch'
  | 'l1d-flush'
  | 'core-cookie'
  | 'no-tsc';

/** What the sandbox's own network namespace is made of beside its loopback. */
export interface NetworkSetup {
  /**
   * `filtered`: every TCP connection arrives at listeners that are handed out of the sandbox, names are asked at
   * 127.0.0.1:53 there; all else is refused at once and counted. `packets`: everything goes by packets over an
   * interface to the host's network, but for what `packets` denies.
   */
  readonly mode: 'filtered' | 'packets';
  /**
   * What may go by that interface; the first that matches decides. In the mode `filtered` the rest is refused, and
   * without any rule there is no such interface. At most 128.
   */
  readonly packets?: readonly PacketRule[];
}

export interface PacketRule {
  readonly denies: boolean;
  /** Number in the IP header; `other`: all but TCP and UDP. */
  readonly protocol: number | 'other';
  /** Block of IPv4: four decimal numbers. */
  readonly address: string;
  /** 0–32. */
  readonly prefix: number;
  /** Of TCP and UDP. Absent: every one. */
  readonly ports?: { readonly from: number; readonly to: number };
}

/** What a kind of sandbox is: the same for every run of it, so that slots can be kept for it. */
export interface KindPlan {
  readonly namespaces: readonly Namespace[];
  readonly uid: number;
  readonly gid: number;
  readonly hostname: string;
  readonly mounts: readonly Mount[];
  /** cBPF, `struct sock_filter` each; absent only where the policy's level says so. */
  readonly seccomp?: Uint8Array;
  /** At most 64, each number once; they are answered and recorded outside. Absent: none is. */
  readonly notified?: readonly NotifiedCall[];
  /**
   * Numbers of allowed system calls on files that an observer looks at before they go on; at most 64, none of them
   * among `notified`. Absent: none.
   */
  readonly observed?: readonly number[];
  /** Absent: none. */
  readonly sideChannels?: readonly SideChannelControl[];
  readonly landlock?: LandlockPlan;
  readonly capabilities: CapabilityPlan;
  readonly rlimits: readonly Rlimit[];
  /** Absent: no cgroups of its own. */
  readonly cgroup?: CgroupPlan;
  readonly limits: RunLimits;
  readonly scaffold: readonly string[];
  /** Needs the namespace `net`. Absent: its loopback alone, or the host's network where `net` is not among them. */
  readonly network?: NetworkSetup;
}

/** What stands behind the walls `child` and `none`: the host's own view, through the launcher's `child` mode. */
export interface ChildPlan {
  readonly noNewPrivs: boolean;
  readonly rlimits: readonly Rlimit[];
  /** Absent: no cgroups of its own. */
  readonly cgroup?: CgroupPlan;
  readonly limits: RunLimits;
  /** RLIMIT_NPROC, above what the caller's user runs at the start. */
  readonly processes?: number;
}

/** A late mount, made when the job is bound. `source` and `target` may begin with `$workspace`. */
export type LateMount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly access: 'read' | 'write';
      /** The source is a file, not a directory: Landlock knows fewer rights for one. */
      readonly file?: boolean;
    }
  | {
      readonly kind: 'scratch';
      readonly target: string;
      readonly bytes?: number;
      readonly inodes: number;
    }
  /** Hides what a wider rule would show. */
  | { readonly kind: 'mask'; readonly target: string };

/**
 * What differs from run to run, with `$workspace` still to be bound by `bindJob`.
 */
export interface JobTemplate {
  readonly mounts: readonly LateMount[];
  /** Prefixes inside below which a late mount point exists or can be made. */
  readonly places: readonly string[];
  /** The host's directories that every sandbox of the kind shows. */
  readonly system: readonly string[];
  /** What the policy carves out of reading by name: no toolchain shows there. */
  readonly hidden?: readonly string[];
  /** Whether idmapped mounts work here: the guest then reads as the owner would. */
  readonly idmap: boolean;
  /** ABI of the plan's Landlock rules; 0 where the plan has none. */
  readonly landlockAbi: number;
  /** `none`: no workspace inside. */
  readonly workspace: Policy['workspace']['mode'];
  readonly environment: {
    readonly pass: NameSet;
    readonly set: readonly (readonly [name: string, value: string])[];
    /** What a private root starts from; empty where the guest sees the host. */
    readonly base: readonly (readonly [name: string, value: string])[];
  };
  /** Inside; may be `$workspace`. Absent: the caller's own. */
  readonly cwd?: string;
  /** Where the proxy opens TLS: what each run must bring. Absent: it does not. */
  readonly intercept?: {
    /** Inside: a file to bind read-only, with the sandbox's own authority and the host's certificates (PEM). */
    readonly caFile: string;
    /** Variables to set to a placeholder; the caller's values never go inside. */
    readonly secrets: readonly string[];
  };
}

export interface Job {
  readonly argv: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly cwd: string;
  readonly mounts: readonly Mount[];
  readonly landlock: readonly LandlockPathRule[];
  readonly rlimits?: readonly Rlimit[];
  readonly cgroup?: CgroupPlan;
  readonly limits?: Partial<RunLimits>;
  readonly stdin: 'null' | 'inline' | 'stream' | 'inherit';
  readonly stdout: 'null' | 'capture' | 'stream' | 'inherit';
  readonly stderr: 'null' | 'capture' | 'stream' | 'inherit';
  readonly input?: Uint8Array;
  readonly pty?: { readonly rows: number; readonly columns: number };
}

/** One row of `explain`: a clause of the policy and what enforces it on this host. */
export interface Enforcement {
  /** e.g. `filesystem.write`, `limits.memory`, `network.none`. */
  readonly clause: string;
  readonly value: string;
  /** e.g. `mount namespace`, `Landlock`, `cgroup v1 memory`. Often two. */
  readonly mechanisms: readonly string[];
  /** Path of the test that proves it. */
  readonly test: string;
}

/** What this host cannot enforce. A non-empty list refuses to run unless every id is accepted. */
export interface Unenforceable {
  /** Stable, kebab-case: `limits.memory:no-cgroup`. */
  readonly id: string;
  readonly clause: string;
  readonly reason: string;
  /** What would make it enforceable. */
  readonly cure: string;
  /** false: no `--accept` lifts it. */
  readonly acceptable: boolean;
}

interface CompiledFor {
  readonly wallReason: string;
  readonly job: JobTemplate;
  readonly enforced: readonly Enforcement[];
  readonly unenforceable: readonly Unenforceable[];
  /** True in words of the policy but weaker than one may think; shown, never a refusal. */
  readonly notes: readonly string[];
}

/** A policy, for one wall on one host. `wall` tells which of `kind` and `child` is there. */
export type Compiled =
  | (CompiledFor & { readonly wall: 'process'; readonly kind: KindPlan })
  | (CompiledFor & { readonly wall: 'child' | 'none'; readonly child: ChildPlan });
