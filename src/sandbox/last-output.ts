/**
 * What a command wrote that is being ended from outside. Its end is told behind its output, and its output is read no faster
 * than its caller takes it; a caller that takes nothing must not keep what was ended.
 */
import type { Execution } from '../backends/backend.ts';
import { CaissonError } from '../core/error.ts';

/** Then what nobody has taken is dropped. */
const TAKEN_WITHIN_MS = 2000;

type Ending = Pick<Execution, 'result' | 'stdout' | 'stderr'>;

/** It is being ended: its result comes, also where nobody reads its streams, which fail with ABORTED then. */
function dropUntaken({ result, stdout, stderr }: Ending): void {
  const timer = setTimeout(() => {
    for (const stream of [stdout, stderr]) {
      // Whoever does not read it does not listen either.
      stream.on('error', () => {});
      stream.destroy(untaken());
    }
  }, TAKEN_WITHIN_MS);
  const done = (): void => clearTimeout(timer);
  result.then(done, done);
}

/** The same where a signal ends it. */
export function dropUntakenAfter(signal: AbortSignal | undefined, execution: Ending): void {
  if (signal === undefined) return;
  const onAbort = (): void => dropUntaken(execution);
  signal.addEventListener('abort', onAbort, { once: true });
  const done = (): void => signal.removeEventListener('abort', onAbort);
  execution.result.then(done, done);
}

/** Commands that run, each with its streams. */
export class LastOutput {
  readonly #running = new Set<Ending>();

  add(execution: Ending): void {
    this.#running.add(execution);
    const done = (): void => {
      this.#running.delete(execution);
    };
    execution.result.then(done, done);
  }

  /** All of them are being ended. */
  end(): void {
    for (const execution of this.#running) dropUntaken(execution);
  }
}

function untaken(): CaissonError {
  return new CaissonError('ABORTED', {
    layer: 'sandbox',
    message: `it was ended, and what it had written was not taken within ${TAKEN_WITHIN_MS} ms`,
  });
}
