/** An end of several parts: what one of them comes to keeps none of the others from its own. */
import { CaissonError, isCaissonError } from '../core/error.ts';

/**
 * Does each step, in this order, whatever those before came to.
 *
 * @throws what the first one threw that failed; with the messages of the others, where there are any
 */
export async function endAll(...steps: readonly (() => unknown)[]): Promise<void> {
  const found: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      found.push(...oneByOne(error));
    }
  }
  const [first, ...others] = new Set(found);
  if (first === undefined) return;
  if (others.length === 0) throw first;
  const { code, layer, hint, details } = isCaissonError(first) ? first : unforeseen;
  throw new CaissonError(code, {
    layer,
    message: [first, ...others].map(messageOf).join('; '),
    ...(hint === undefined ? {} : { hint }),
    details,
    cause: new AggregateError([first, ...others]),
  });
}

const unforeseen = {
  code: 'INTERNAL',
  layer: 'server',
  hint: undefined,
  details: {},
} as const;

/** A stack of disposables tells the last one first, each with those before. */
function oneByOne(error: unknown): unknown[] {
  if (!(error instanceof SuppressedError)) return [error];
  return [...oneByOne(error.suppressed), ...oneByOne(error.error)];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
