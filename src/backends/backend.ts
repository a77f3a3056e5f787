/**
 * What every wall offers to a sandbox. A backend carries a compiled plan out; it decides nothing.
 *
 * A kind is what one compiled policy makes; it is prepared once and used for any number of runs.
 */

import type { Execution } from '../launcher/execution.ts';
import type { RawResult, RawUsage } from '../launcher/protocol/decode-result.ts';
import type { FilesReply, FilesRequest } from '../launcher/protocol/files-message.ts';
import type { Ties } from '../launcher/ties.ts';
import type { HostFacts } from '../plan/facts.ts';
import type { Compiled, Job } from '../plan/plan.ts';
import type { WallName } from '../policy/policy.ts';

export type { Dial, OnDial } from '../launcher/dials.ts';
export type { Execution } from '../launcher/execution.ts';
export type {
  RawFileRefusals,
  RawLoggedRefusal,
  RawObservedRefusal,
} from '../launcher/protocol/decode-file-refusal.ts';
export type { RawOutput, RawResult, RawUsage } from '../launcher/protocol/decode-result.ts';
export type { RawViolation } from '../launcher/protocol/decode-violation.ts';
export type { FilesEntry, FilesReply, FilesRequest } from '../launcher/protocol/files-message.ts';
export { fileFlag } from '../launcher/protocol/files-message.ts';

/** What a wall can do beside running a command. What it cannot is refused by name, never emulated weakly. */
export interface Abilities {
  /** Output while it is written, input while it runs. */
  readonly streams: boolean;
  readonly terminal: boolean;
  /** Sandboxes that stay open. */
  readonly open: boolean;
  /** File requests to an open sandbox. */
  readonly files: boolean;
  readonly freeze: boolean;
  /** Workspace changes kept aside. */
  readonly overlay: boolean;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reason: string;
  readonly cure?: string;
}

export interface PrepareOptions {
  /** Sandboxes kept warm; default 0. */
  readonly slots?: number;
  /** Empty network namespaces may be used again inside this kind; default false. */
  readonly recycleNetwork?: boolean;
}

export interface Backend {
  readonly wall: WallName;
  readonly can: Abilities;
  ready(facts: HostFacts): Readiness;
  /** Cheap; what fails later rejects `kind.ready` and every run of it. */
  prepare(compiled: Compiled, options?: PrepareOptions): PreparedKind;
  close(): Promise<void>;
}

export interface PreparedKind {
  /** Settles when the wall has taken the plan in. */
  readonly ready: Promise<void>;
  /** One job in a sandbox of its own, which is gone when the promise settles. */
  run(job: Job, ties?: Ties): Promise<RawResult>;
  spawn(job: Job, ties?: Ties): Execution;
  open(job: Job, ties?: Ties): OpenSandbox;
  /** Keeps that many sandboxes ready from now on. Walls that cannot do so have no such method. */
  keepReady?(slots: number): void;
  close(): Promise<void>;
}

export interface OpenSandbox {
  readonly opened: Promise<number>;
  readonly closed: Promise<RawUsage>;
  run(job: Job, ties?: Ties): Promise<RawResult>;
  spawn(job: Job, ties?: Ties): Execution;
  files(request: FilesRequest): Promise<FilesReply>;
  freeze(frozen: boolean): Promise<void>;
  usage(): Promise<RawUsage>;
  close(): Promise<void>;
}
