/** What a command line hands in: a value of JSON, or the bytes of our stdin. */
import { buffer } from 'node:stream/consumers';
import { CaissonError } from '../core/error.ts';
import type { EvalOptions } from '../functions/eval-source.ts';

/** @throws REQUEST_INVALID */
export async function evalInput({
  input,
  stdin,
}: {
  readonly input?: string;
  readonly stdin?: boolean;
}): Promise<Pick<EvalOptions, 'input' | 'stdin'>> {
  if (stdin === true) {
    if (input === undefined) return { stdin: await buffer(process.stdin) };
    throw invalid('--input and --stdin are both given', 'give one of them');
  }
  if (input === undefined) return {};
  const text = input === '-' ? (await buffer(process.stdin)).toString() : input;
  try {
    return { input: JSON.parse(text) };
  } catch (cause) {
    throw invalid(
      `the input is no JSON: ${(cause as Error).message}`,
      'a text is written with its quotes: --input \'"text"\'',
    );
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
