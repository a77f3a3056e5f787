/**
 * What leaves a sandbox, and when: secrets replaced, on the policy's time grid.
 */
import { type Readable, Transform } from 'node:stream';
import type { Execution, RawOutput } from '../backends/backend.ts';
import type { CapturedOutput, Outcome, Usage } from '../core/outcome.ts';
import type { Policy } from '../policy/policy.ts';
import { sideChannelsOf } from '../policy/side-channels.ts';
import { KeptOutput } from './outcome.ts';
import type { Redactor } from './redact.ts';
import { ResultGrid } from './result-grid.ts';

/** What of an execution its caller sees. */
export type GuestExecution = Pick<
  Execution,
  'started' | 'result' | 'stdin' | 'stdout' | 'stderr' | 'kill' | 'signal' | 'resize'
>;

/** Undefined where everything goes out at once and as it is. @param redactor knows the secrets; absent: nobody does */
export function beginRelease(policy: Policy, redactor: Redactor | undefined): Release | undefined {
  const { resultGridMs } = sideChannelsOf(policy);
  if (redactor === undefined && resultGridMs === 0) return undefined;
  return new Release(redactor, resultGridMs === 0 ? undefined : new ResultGrid(resultGridMs));
}

/** Of one run, from the moment at which it is asked for until its outcome is there; then it is disposed of. */
export class Release implements Disposable {
  readonly #redactor: Redactor | undefined;
  readonly #letGo: (() => void) | undefined;
  readonly #grid: ResultGrid | undefined;

  constructor(redactor: Redactor | undefined, grid: ResultGrid | undefined) {
    this.#redactor = redactor;
    this.#letGo = redactor?.hold();
    this.#grid = grid;
  }

  /** Streams that are still open are looked through all the same. */
  [Symbol.dispose](): void {
    this.#letGo?.();
  }

  argv(argv: readonly string[]): readonly string[] {
    return this.#redactor?.value(argv) ?? argv;
  }

  /** Secrets replaced, times rounded up; {@link line} says when it may be seen. */
  outcome(outcome: Outcome): Outcome {
    const clean = this.#redactor === undefined ? outcome : redacted(outcome, this.#redactor);
    return this.#grid?.outcome(clean) ?? clean;
  }

  usage(usage: Usage): Usage {
    return this.#grid?.usage(usage) ?? usage;
  }

  async line(): Promise<void> {
    await this.#grid?.line();
  }

  /** With its output as it may be seen. */
  execution(execution: Execution): GuestExecution {
    return this.#with(execution, this.#grid);
  }

  /** The same of a shell, whose commands each have a grid of their own: their results are held back, not its streams. */
  shell(execution: Execution): GuestExecution {
    return this.#with(execution, undefined);
  }

  #with(execution: Execution, grid: ResultGrid | undefined): GuestExecution {
    return {
      started: execution.started,
      result: execution.result,
      stdin: execution.stdin,
      stdout: this.#shaped(execution.stdout, grid),
      stderr: this.#shaped(execution.stderr, grid),
      kill: () => execution.kill(),
      signal: (number) => execution.signal(number),
      resize: (rows, columns) => execution.resize(rows, columns),
    };
  }

  #shaped(stream: Readable, grid: ResultGrid | undefined): Readable {
    const steps: Transform[] = [];
    if (this.#redactor !== undefined) steps.push(redactedStream(this.#redactor));
    if (grid !== undefined) steps.push(grid.stream());
    return steps.reduce<Readable>((from, to) => {
      from.on('error', (error) => to.destroy(error));
      // Whoever does not read it does not listen either.
      to.on('error', () => {});
      to.on('close', () => from.destroy());
      return from.pipe(to);
    }, stream);
  }
}

function redacted(outcome: Outcome, redactor: Redactor): Outcome {
  const { stdout, stderr, violations, changes } = outcome;
  return {
    ...outcome,
    stdout: redactedOutput(stdout, redactor),
    stderr: redactedOutput(stderr, redactor),
    violations: redactor.value(violations),
    ...(changes === undefined ? {} : { changes: redactor.value(changes) }),
  };
}

function redactedOutput(output: CapturedOutput, redactor: Redactor): CapturedOutput {
  const { bytes, headBytes, totalBytes } = rawOf(output);
  if (totalBytes === bytes.length) {
    const clean = redactor.bytes(bytes);
    return clean === bytes
      ? output
      : new KeptOutput({ bytes: clean, totalBytes: clean.length, headBytes: clean.length });
  }
  const { head, tail } = redactor.cut(bytes.subarray(0, headBytes), bytes.subarray(headBytes));
  const clean = Buffer.concat([head, tail]);
  const missing = totalBytes - bytes.length;
  return new KeptOutput({
    bytes: clean,
    totalBytes: clean.length + missing,
    headBytes: head.length,
  });
}

function rawOf(output: CapturedOutput): RawOutput {
  if (output instanceof KeptOutput) return output.raw;
  const bytes = Buffer.from(output.bytes);
  return { bytes, totalBytes: output.totalBytes, headBytes: bytes.length };
}

function redactedStream(redactor: Redactor): Transform {
  const held = redactor.stream();
  return new Transform({
    transform: (chunk: Buffer, _, done) => {
      const clean = held.add(chunk);
      done(null, clean.length === 0 ? undefined : clean);
    },
    flush: (done) => {
      const rest = held.end();
      done(null, rest.length === 0 ? undefined : rest);
    },
    destroy: (error, done) => {
      held.close();
      done(error);
    },
  });
}
