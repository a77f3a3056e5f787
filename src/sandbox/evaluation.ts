/** What an evaluation came to, as its caller sees it. */
import type { GuestError, HostEvaluated } from '../backends/program.ts';
import type { LimitName, Outcome, OutcomeKind } from '../core/outcome.ts';
import { KeptOutput, type OutcomeContext } from './outcome.ts';
import { limitViolation } from './violations.ts';

export interface Evaluation extends Outcome {
  /** What the program returned, a structured clone of it; there when `kind` is `exited` with code 0. */
  readonly value?: unknown;
  /** What it threw, or what is wrong with its source. Texts of the guest's. */
  readonly error?: GuestError;
  /** WASM: units of fuel that were used, where they are counted. */
  readonly fuel?: bigint;
}

export interface Evaluated {
  readonly evaluated: HostEvaluated;
  readonly context: OutcomeContext;
  readonly auditId: string;
  readonly output: { readonly stdout: OutputText; readonly stderr: OutputText };
  /** It was ended for its output. */
  readonly isOverflow: boolean;
  /** Until it was its turn, and from then on; milliseconds. */
  readonly waitedMs: number;
  readonly ranMs: number;
}

/** Keeps the head of a stream. */
export class OutputText {
  readonly #max: number;
  readonly #parts: Buffer[] = [];
  #kept = 0;
  #total = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(output: string | Uint8Array): void {
    const bytes = typeof output === 'string' ? Buffer.from(output) : Buffer.from(output);
    const kept = bytes.subarray(0, Math.max(0, this.#max - this.#kept));
    this.#total += bytes.length;
    this.#kept += kept.length;
    if (kept.length > 0) this.#parts.push(kept);
  }

  /** @param bytes that came after what was kept and were not told */
  drop(bytes: number): void {
    this.#total += bytes;
  }

  get isCut(): boolean {
    return this.#total > this.#kept;
  }

  kept(): KeptOutput {
    if (this.#total === 0) return NOTHING;
    const bytes = Buffer.concat(this.#parts);
    return new KeptOutput({ bytes, headBytes: bytes.length, totalBytes: this.#total });
  }
}

const NOTHING = new KeptOutput({ bytes: Buffer.alloc(0), headBytes: 0, totalBytes: 0 });

export function toEvaluation(done: Evaluated): Evaluation {
  const { evaluated, context, auditId, output, isOverflow, waitedMs, ranMs } = done;
  const limitsHit = limitsOf(done);
  return {
    ...(isOverflow ? { kind: 'output-limit' as const } : endingOf(evaluated)),
    stdout: output.stdout.kept(),
    stderr: output.stderr.kept(),
    limitsHit,
    violations:
      evaluated.kind === 'ended' ? evaluated.outcome.violations : limitsHit.map(limitViolation),
    usage: {
      wallMs: ranMs,
      cpuUserMs: evaluated.cpuMs,
      cpuSystemMs: 0,
      memoryPeakBytes: evaluated.memoryBytes,
      memoryPeakSource: 'engine',
    },
    timing: { launchMs: waitedMs, runMs: ranMs, teardownMs: 0 },
    ...context,
    auditId,
    leftBehind: 0,
  };
}

type Ending = Pick<Evaluation, 'kind' | 'code' | 'signal' | 'clock' | 'value' | 'error' | 'fuel'>;

function endingOf(evaluated: HostEvaluated): Ending {
  const fuel = 'fuel' in evaluated && evaluated.fuel !== undefined ? { fuel: evaluated.fuel } : {};
  if (evaluated.kind === 'value')
    return { kind: 'exited', code: 0, value: evaluated.value, ...fuel };
  if (evaluated.kind === 'error') {
    return { kind: 'exited', code: evaluated.code, error: evaluated.error, ...fuel };
  }
  if (evaluated.kind === 'timed-out') return { kind: 'timed-out', clock: evaluated.clock, ...fuel };
  if (evaluated.kind !== 'ended') return { kind: evaluated.kind as OutcomeKind, ...fuel };
  const { kind, code, signal, clock } = evaluated.outcome;
  return {
    kind,
    // A host does not end by itself: whatever its code is, the guest did not come to its end.
    ...(kind === 'exited' ? { code: code === 0 || code === undefined ? 70 : code } : {}),
    ...(signal === undefined ? {} : { signal }),
    ...(clock === undefined ? {} : { clock }),
    error: { name: 'HostEnded', message: 'the process that evaluated it ended in the middle' },
  };
}

const clockLimits = { wall: 'wall-time', cpu: 'cpu-time', fuel: 'fuel' } as const;

function limitsOf({ evaluated, output }: Evaluated): readonly LimitName[] {
  const limits: LimitName[] = [];
  if (evaluated.kind === 'timed-out') {
    limits.push(clockLimits[evaluated.clock]);
  }
  if (evaluated.kind === 'out-of-memory') limits.push('memory');
  if (evaluated.kind === 'ended') limits.push(...evaluated.outcome.limitsHit);
  if (output.stdout.isCut || output.stderr.isCut) limits.push('output');
  return limits;
}
