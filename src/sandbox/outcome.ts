/**
 * What the launcher measured, as the outcome that a caller sees.
 */
import { constants } from 'node:os';
import type { RawOutput, RawResult, RawUsage } from '../backends/backend.ts';
import { type AdmissionReport, UNCHECKED } from '../core/admission.ts';
import type {
  CapturedOutput,
  LimitName,
  Outcome,
  OutcomeKind,
  Usage,
  Violation,
} from '../core/outcome.ts';
import { deniedPackets, packetUsage } from './denied-packets.ts';
import { fileViolations } from './file-refusals.ts';
import { limitViolation, syscallViolation } from './violations.ts';

/** What is the same for every run of a policy. */
export interface OutcomeContext {
  readonly wall: string;
  readonly wallReason: string;
  readonly policyDigest: string;
  readonly accepted: readonly string[];
  /** Default: nobody was asked. */
  readonly admission?: AdmissionReport;
  /** What its packet filter refused and let through stands in each result. Absent: that is told elsewhere. */
  readonly tellsPackets?: boolean;
  /** Of a sandbox with several commands: what was told by the earlier ones. */
  readonly toldPackets?: Map<string, number>;
}

const signalNames = new Map<number, string>(
  Object.entries(constants.signals).map(([name, number]) => [number, name]),
);

/** Causes of protocol/PROTOCOL.md, "Result". */
const causeKinds: readonly (OutcomeKind | undefined)[] = [
  undefined,
  'timed-out',
  'timed-out',
  'out-of-memory',
  'output-limit',
  'killed',
  'denied',
];

/** By bit of "limits hit". */
const limitNames: readonly LimitName[] = [
  'wall-time',
  'cpu-time',
  'memory',
  'processes',
  'output',
  'file-size',
];

const SIGSYS = constants.signals.SIGSYS;
const none: readonly never[] = Object.freeze([]);

export function toOutcome(raw: RawResult, context: OutcomeContext, auditId: string): Outcome {
  const ending = endingOf(raw);
  const limitsHit =
    raw.limitsHit === 0 ? none : limitNames.filter((_, i) => raw.limitsHit & (1 << i));
  const violations = violationsOf(raw, ending.kind, limitsHit);
  return {
    ...ending,
    stdout: new KeptOutput(raw.stdout),
    stderr: new KeptOutput(raw.stderr),
    limitsHit,
    violations:
      context.tellsPackets === true
        ? [...violations, ...deniedPackets(raw, context.toldPackets)]
        : violations,
    usage:
      context.tellsPackets === true
        ? { ...toUsage(raw, raw.runNs / 1e6), ...packetUsage(raw) }
        : toUsage(raw, raw.runNs / 1e6),
    timing: {
      launchMs: raw.launchNs / 1e6,
      runMs: raw.runNs / 1e6,
      teardownMs: raw.teardownNs / 1e6,
    },
    wall: context.wall,
    wallReason: context.wallReason,
    policyDigest: context.policyDigest,
    auditId,
    accepted: context.accepted,
    admission: context.admission ?? UNCHECKED,
    leftBehind: raw.leftBehind,
  };
}

export function toUsage(raw: RawUsage, wallMs: number): Usage {
  return {
    wallMs,
    cpuUserMs: raw.cpuUserUs / 1000,
    cpuSystemMs: raw.cpuSystemUs / 1000,
    memoryPeakBytes: raw.memoryPeakBytes,
    memoryPeakSource: raw.memoryPeakSource,
    ...(raw.processesPeak === undefined ? {} : { processesPeak: raw.processesPeak }),
    ...(raw.readBytes === undefined ? {} : { readBytes: raw.readBytes }),
    ...(raw.writtenBytes === undefined ? {} : { writtenBytes: raw.writtenBytes }),
  };
}

/** wait(2): the low seven bits are the signal, the next eight the exit code. */
function endingOf(raw: RawResult): Pick<Outcome, 'kind' | 'code' | 'signal' | 'clock'> {
  const caused = causeKinds[raw.cause];
  if (caused === 'timed-out') return { kind: caused, clock: raw.cause === 1 ? 'wall' : 'cpu' };
  if (caused !== undefined) return { kind: caused };
  const signal = raw.status & 0x7f;
  if (signal === 0) return { kind: 'exited', code: (raw.status >> 8) & 0xff };
  if (signal === SIGSYS) return { kind: 'denied', signal: 'SIGSYS' };
  return { kind: 'signaled', signal: signalNames.get(signal) ?? `SIG${signal}` };
}

/** What ended the run comes first. */
function violationsOf(
  raw: RawResult,
  kind: OutcomeKind,
  limitsHit: readonly LimitName[],
): readonly Violation[] {
  const refused = raw.violations.toSorted((a, b) => Number(b.ended) - Number(a.ended));
  const violations = [
    ...(kind === 'denied' && raw.cause === 0 ? [unknownCall(raw)] : []),
    ...refused.map(syscallViolation),
    ...(raw.files === undefined ? none : fileViolations(raw.files)),
    ...limitsHit.map(limitViolation),
  ];
  return violations.length === 0 ? none : violations;
}

/** SIGSYS: a call of another architecture, or one that a filter of the guest's own ends it for. */
function unknownCall(raw: RawResult): Violation {
  return {
    kind: 'syscall',
    reason: 'the program made a system call that the policy does not allow, and was ended',
    details: { signal: raw.status & 0x7f },
  };
}

/** Decodes only when it is looked at: most callers look at one stream. */
export class KeptOutput implements CapturedOutput {
  readonly #raw: RawOutput;

  constructor(raw: RawOutput) {
    this.#raw = raw;
  }

  get raw(): RawOutput {
    return this.#raw;
  }

  get bytes(): Uint8Array {
    return this.#raw.bytes;
  }

  get totalBytes(): number {
    return this.#raw.totalBytes;
  }

  get truncated(): boolean {
    return this.#raw.totalBytes > this.#raw.bytes.length;
  }

  get text(): string {
    const { bytes, headBytes, totalBytes } = this.#raw;
    if (!this.truncated) return bytes.toString('utf8');
    const mark = `\n[caisson: ${totalBytes - bytes.length} bytes are missing here]\n`;
    return `${bytes.toString('utf8', 0, headBytes)}${mark}${bytes.toString('utf8', headBytes)}`;
  }

  toJSON(): Record<string, unknown> {
    return { text: this.text, totalBytes: this.totalBytes, truncated: this.truncated };
  }
}
