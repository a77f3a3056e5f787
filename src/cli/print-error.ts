/** An error on stderr, and with --json as the one document on stdout. */
import { asCaissonError, exitCodeOfError, renderError } from './report-error.ts';
import { toJson } from './to-json.ts';
import { writeAll } from './write-all.ts';

/** @returns the exit code */
export async function printError(
  thrown: unknown,
  words: readonly string[],
  json: boolean,
): Promise<number> {
  const error = asCaissonError(thrown);
  if (json) {
    await writeAll(1, toJson({ error }));
  }
  await writeAll(2, renderError(error, words));
  return exitCodeOfError(error);
}
