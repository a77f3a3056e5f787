/**
 * The normalised policy: what everything after `policy/` sees. Immutable; equal policies have equal digests.
 * How a person writes one is in `document.ts`; how a level fills one in, in `levels.ts`.
 */
import type { Capability, ThreatFamily } from '../core/admission.ts';

/** Isolation levels: presets over the same sets, from nothing to hostile code. */
export type Level = 'none' | 'basic' | 'moderate' | 'strict' | 'paranoid';

/** What can stand between the guest and the host. */
export const WALL_NAMES = [
  'none',
  'child',
  'process',
  'container',
  'gvisor',
  'microvm',
  'enclave',
  'isolate',
  'wasm',
] as const;
export type WallName = (typeof WALL_NAMES)[number];

/**
 * A set of paths: prefix rules, the longest matching one decides, none matching means outside.
 * Paths are absolute and normalised, or start with `$workspace` (bound at each run).
 * Canonical: sorted by path, no rule that its nearest ancestor already implies.
 */
export interface PathSet {
  readonly rules: readonly { readonly path: string; readonly include: boolean }[];
}

/** A finite set of names, or everything but a finite set. `*` at the end of a name is a prefix (environment names). */
export interface NameSet {
  /** false: `names` are the members. true: `names` are what is missing. */
  readonly complement: boolean;
  /** Sorted, unique. */
  readonly names: readonly string[];
  /**
   * Carved out of `names` again (`LC_*` without `LC_ALL`); the longest match decides. Sorted, unique, absent when
   * empty. Ask `containsName` of `name-set.ts` rather than reading the lists.
   */
  readonly except?: readonly string[];
}

/** Where one may connect: a host pattern times ports. */
export interface Destination {
  /** `example.org`, `*.example.org` (proper sub-domains), `*` (any), or a CIDR such as `10.0.0.0/8`, `::1/128`. */
  readonly host: string;
  /** Inclusive. Every one where the protocol is neither TCP nor UDP. */
  readonly ports: readonly { readonly from: number; readonly to: number }[];
  /**
   * What is neither TCP nor UDP goes as packets, by address: `host` is then a block. `raw`: every such protocol; a
   * number of IANA's registry where it has no name here.
   */
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'sctp' | 'gre' | 'esp' | 'raw' | number;
  /** Requests that may be made there; absent: anything. Needs `intercept` where the port speaks TLS. */
  readonly http?: readonly HttpRule[];
}

/** Requests by method and path. */
export interface HttpRule {
  /** Upper case, sorted; empty: any. */
  readonly methods: readonly string[];
  /** Begins with `/`, decoded and normalised; with `prefix` everything from there on, component by component. */
  readonly path: string;
  readonly prefix: boolean;
}

/** A secret that never is inside: the guest has a placeholder, the proxy puts the value into a header. */
export interface SecretRule {
  /** Variable inside that holds the placeholder; the value comes from the caller's variable of this name, or by call. */
  readonly name: string;
  /** Names (or `*.name`) that it is sent to, over TLS alone. Sorted. */
  readonly hosts: readonly string[];
}

export interface NetworkPolicy {
  readonly mode: 'none' | 'internal' | 'filtered' | 'full';
  readonly allow: readonly Destination[];
  readonly deny: readonly Destination[];
  /** Guest TCP ports that may listen and be published. */
  readonly listen: readonly number[];
  /** The proxy opens TLS with a certificate of the sandbox's own authority, and sees requests. Absent means no. */
  readonly intercept?: true;
  /** Mode `internal`: name of the network that the sandbox is on; others by that name, of the same tenant, reach it. */
  readonly group?: string;
  /** Sorted by name; absent when empty. Needs `intercept`. */
  readonly secrets?: readonly SecretRule[];
}

/** What the guest sees of the host's file system besides the sets. */
export type FilesystemView =
  /** the host's own tree, as the caller sees it (levels none and basic) */
  | 'host'
  /** private root; system directories read-only (moderate, strict) */
  | 'system'
  /** private root; the named paths alone (paranoid) */
  | 'named';

export interface Limits {
  /** null: not limited. All values are positive integers below 2^53; `coreBytes` alone may be 0 (no core dumps). */
  readonly wallMs: number | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
  /** The soft limit: above it the guest is slowed and reclaimed from. */
  readonly memoryHighBytes: number | null;
  /** Thousandths of a core (quota). */
  readonly cpuMillicores: number | null;
  /** Share against other sandboxes, 1–10000 (cgroup v2 cpu.weight). */
  readonly cpuWeight: number | null;
  readonly processes: number | null;
  readonly openFiles: number | null;
  readonly fileSizeBytes: number | null;
  /** stdout and stderr, each. */
  readonly outputBytes: number | null;
  readonly onOutputLimit: 'truncate' | 'kill';
  /** Size of each private scratch file system (/tmp …) in memory. */
  readonly scratchBytes: number | null;
  readonly readBytesPerSecond: number | null;
  readonly writeBytesPerSecond: number | null;
  readonly coreBytes: number | null;
  readonly stackBytes: number | null;
}

/** Against side channels and leaks. What is absent the level says: `sideChannelsOf` of `side-channels.ts`. */
export interface SideChannelPolicy {
  readonly speculation?: boolean;
  readonly coreScheduling?: boolean;
  /** Milliseconds; absent: results are released at once. */
  readonly resultGridMs?: number;
  readonly redact?: false;
  readonly tsc?: 'deny';
}

/** Findings that do not count for a while. Has one of `rule` and `family`. */
export interface AdmissionWaiver {
  /** As in a finding: `javascript/child-process/exec`. */
  readonly rule?: string;
  readonly family?: ThreatFamily;
  /** SHA-256 of the file, or of the whole candidate, hexadecimal. Absent: whatever the code is. */
  readonly digest?: string;
  /** As in a finding. */
  readonly path?: string;
  readonly reason: string;
  /** `2027-01-31T00:00:00Z`: holds before it, and no longer at it. */
  readonly expires: string;
}

export interface ScanPolicy {
  /** Scores from here on are refused; 1–100. */
  readonly refuse: number;
  /** Scores from here on get a stronger wall; 0–100, never above `refuse`. */
  readonly strengthen: number;
  readonly profile: 'effect' | 'package';
  /** What code may declare beyond its profile. Sorted. */
  readonly declares: readonly Capability[];
  /** Whether the trained model adds to the rules. */
  readonly model: boolean;
  /** Sorted, none covered by another. */
  readonly waivers: readonly AdmissionWaiver[];
}

/** What is asked of code before it may run. */
export interface AdmissionPolicy {
  /** Absent: it is not analysed. */
  readonly scan?: ScanPolicy;
  /** Sorted. */
  readonly requires: readonly ('proof' | 'signature')[];
  /** Whose signatures count; absent: any trusted signer's. With it a signature is required. Sorted. */
  readonly signers?: readonly string[];
}

export interface Policy {
  readonly version: 1;
  readonly name: string;
  readonly level: Level;
  /** The ladder: which walls may be used, in order of preference. */
  readonly walls: readonly WallName[];
  readonly view: FilesystemView;
  /** I: what may be read. Includes everything in `write`. */
  readonly read: PathSet;
  /** O: what may be written. */
  readonly write: PathSet;
  /** Paths below `write` that stay read-only and cannot be created, renamed or replaced, also where they do not exist yet. Patterns relative to the workspace; `*` stands for any part of a component, `**` for any number of components: `matchesProtected` of `protect.ts`. */
  readonly protect: readonly string[];
  /** T: private, empty, gone afterwards. */
  readonly scratch: PathSet;
  /** `direct`: the workspace itself; `overlay`: changes are kept aside until applied; `staged`: an overlay over copies of what `read` names alone, of which what `write` names is applied. */
  readonly workspace: {
    readonly mode: 'direct' | 'overlay' | 'staged' | 'none';
    readonly apply: 'manual' | 'auto';
  };
  readonly network: NetworkPolicy;
  readonly environment: {
    /** Names taken from the caller's environment. */
    readonly pass: NameSet;
    /** Set, whatever the caller has. Sorted by name. */
    readonly set: readonly (readonly [name: string, value: string])[];
  };
  readonly syscalls: {
    readonly preset: 'default' | 'minimal' | 'all';
    readonly allow: readonly string[];
    readonly deny: readonly string[];
  };
  readonly capabilities: {
    readonly base: 'none' | 'all';
    readonly add: readonly string[];
    readonly drop: readonly string[];
  };
  /** Beyond null, zero, full, random, urandom, tty, pts: absolute device paths. */
  readonly devices: readonly string[];
  /** `/sys` read-only, where asked for. */
  readonly sys: boolean;
  readonly hostname: string;
  /** Inputs and outputs are disjoint: `write` does not imply `read`. Absent means no. */
  readonly hermetic?: true;
  /** Whether a violation ends the run. Absent: as the level says, see `violationEnding` of `on-violation.ts`. */
  readonly onViolation?: 'record' | 'kill';
  /** Where refused file accesses are learnt of. Absent: they are not recorded. */
  readonly fileRefusals?: 'audit' | 'observe';
  /** Absent: everything as the level says. */
  readonly sideChannels?: SideChannelPolicy;
  /** Absent: nothing is asked of what is run or evaluated; of modules the usual, `USUAL` of `admission.ts`. */
  readonly admission?: AdmissionPolicy;
  readonly limits: Limits;
}
