/**
 * What a run came to. What the guest does is a value, never an exception.
 */
import type { AdmissionReport } from './admission.ts';

/** A limit that the guest ran into. A limit can be hit without ending the run. */
export type LimitName =
  | 'wall-time'
  | 'cpu-time'
  | 'fuel'
  | 'memory'
  | 'processes'
  | 'output'
  | 'file-size';

/** How the main process ended. */
export type OutcomeKind =
  | 'exited'
  | 'signaled'
  | 'timed-out'
  | 'out-of-memory'
  | 'output-limit'
  | 'denied'
  | 'killed';

/** What the guest tried and was refused. */
export interface Violation {
  /** `syscall`: of the escape class, or one that ended the run; `limit`: a limit was hit. */
  readonly kind: 'syscall' | 'network' | 'file' | 'limit';
  /** One line for a person or a model: what was refused, and what to ask for instead. */
  readonly reason: string;
  /** Path, `host:port/protocol`, or name of the system call. */
  readonly target?: string;
  /** In the host's name space, where it is known. */
  readonly pid?: number;
  /** Name of the process (comm), where it is known. */
  readonly program?: string;
  /** Clause of the policy that refused it, e.g. `network.allow`, `syscalls.floor`. */
  readonly rule?: string;
  /** How often, where equal ones were folded into one; absent means once. */
  readonly count?: number;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Kept output: all of it, or its head and tail. */
export interface CapturedOutput {
  /** What was kept, decoded as UTF-8; where it was cut, a line says how many bytes are missing. */
  readonly text: string;
  /** The kept bytes (head and tail, without the mark). */
  readonly bytes: Uint8Array;
  /** How many bytes the guest wrote. */
  readonly totalBytes: number;
  readonly truncated: boolean;
}

export interface Usage {
  readonly wallMs: number;
  readonly cpuUserMs: number;
  readonly cpuSystemMs: number;
  readonly memoryPeakBytes: number;
  /** `cgroup`: the whole tree; `rusage`: the largest single process; `engine`: the heap of an evaluation. */
  readonly memoryPeakSource: 'cgroup' | 'rusage' | 'engine';
  readonly processesPeak?: number;
  /** From and to block devices; what the page cache served or kept is not in it. Absent: nothing counts it here. */
  readonly readBytes?: number;
  readonly writtenBytes?: number;
  /** Absent: no network of its own beside loopback. */
  readonly network?: NetworkUsage;
}

/** What passed between the guest and the world. */
export interface NetworkUsage {
  /** Asked for, refused ones included. */
  readonly connections: number;
  /** From the guest. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** By the packet filter: what no proxy sees. */
  readonly refusedPackets: number;
}

export interface Outcome {
  readonly kind: OutcomeKind;
  /** Exit code; present when `kind` is `exited`. */
  readonly code?: number;
  /** Signal name, e.g. `SIGSEGV`; present when `kind` is `signaled`. */
  readonly signal?: string;
  /** Which clock ran out; present when `kind` is `timed-out`. */
  readonly clock?: 'wall' | 'cpu' | 'fuel';
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  readonly limitsHit: readonly LimitName[];
  readonly violations: readonly Violation[];
  readonly usage: Usage;
  /** Milliseconds: `launch` from request to exec, `run` from exec to the end, `teardown` until nothing was left. */
  readonly timing: {
    readonly launchMs: number;
    readonly runMs: number;
    readonly teardownMs: number;
  };
  readonly wall: string;
  /** Why this wall was taken (the ladder, and what fell away). */
  readonly wallReason: string;
  readonly policyDigest: string;
  readonly auditId: string;
  /** What was decided of the code before it ran. Absent only in outcomes that were recorded by earlier versions. */
  readonly admission?: AdmissionReport;
  /** Weaknesses that the caller accepted by id. */
  readonly accepted: readonly string[];
  /** What the run changed in an overlaid workspace; absent without one, or when nothing was changed. */
  readonly changes?: {
    /** Name of what is still pending (`caisson diff ID`); absent when everything was applied. */
    readonly pending?: string;
    /** How many changes were brought into the workspace. */
    readonly applied: number;
    /** How many were not, and are pending. */
    readonly kept: number;
    /** Why some are kept, where they should have been applied. */
    readonly reason?: string;
  };
  /** Processes that were still alive when the main process ended, and were killed. */
  readonly leftBehind: number;
}
