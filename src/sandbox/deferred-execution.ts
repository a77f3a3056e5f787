/**
 * An execution that begins later, or never: its streams are there at once, and what is asked of it until then is kept.
 */
import { PassThrough, pipeline } from 'node:stream';
import type { GuestExecution } from './release.ts';

/** @param begun rejects where it does not begin: so do `started` and `result`, and the streams end */
export function deferredExecution(begun: Promise<GuestExecution>): GuestExecution {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  // As with a guest that has ended: what is written fails through the write's own callback.
  stdin.on('error', () => {});
  // Nor must what is not read end its caller.
  for (const output of [stdout, stderr]) output.on('error', () => {});
  let live: GuestExecution | undefined;
  const waiting: ((execution: GuestExecution) => void)[] = [];
  const ask = (what: (execution: GuestExecution) => void): void => {
    if (live === undefined) waiting.push(what);
    else what(live);
  };
  begun.then(
    (execution) => {
      live = execution;
      const ended = (): void => {};
      pipeline(stdin, execution.stdin, ended);
      pipeline(execution.stdout, stdout, ended);
      pipeline(execution.stderr, stderr, ended);
      for (const what of waiting.splice(0)) what(execution);
    },
    () => {
      stdin.destroy();
      stdout.end();
      stderr.end();
    },
  );
  const started = begun.then((execution) => execution.started);
  const result = begun.then((execution) => execution.result);
  // Nobody has to await both.
  started.catch(() => {});
  result.catch(() => {});
  return {
    started,
    result,
    stdin,
    stdout,
    stderr,
    kill: () => ask((execution) => execution.kill()),
    signal: (number) => ask((execution) => execution.signal(number)),
    resize: (rows, columns) => ask((execution) => execution.resize(rows, columns)),
  };
}
