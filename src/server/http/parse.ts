/** What came, as the contract has it. */

import * as z from 'zod/mini';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { formatProblem } from '../../policy/problems.ts';
import { schemaProblems } from '../../policy/schema-problems.ts';

/** A body of a million faults is told of the first. */
const MOST_SHOWN = 20;

/** @throws REQUEST_INVALID that names the fields, where they stand and what was meant */
export function parse(schema: z.ZodMiniType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) {
    if (value === undefined || Object.keys(value as object).length === 0) return {};
    schema = z.strictObject({});
  }
  const parsed = safeParse(schema, value);
  if (parsed.success) return parsed.data;
  const problems = schemaProblems(schema, parsed.error.issues.slice(0, MOST_SHOWN).map(cut), {
    withoutValues: true,
  });
  // A field that is missing may be the one whose name is not known.
  const first = problems.find(({ suggestion }) => suggestion !== undefined) ?? problems[0];
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: first === undefined ? what : `${what}: ${formatProblem(first)}`,
    hint: first?.suggestion ?? 'the service describes every request at /openapi.json',
    details: { problems },
  });
}

/** A name is looked for among the known ones, which takes its time for each. */
function cut(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'unrecognized_keys') return issue;
  return { ...issue, keys: issue.keys.slice(0, MOST_SHOWN) };
}

/** A message that must be a document. @throws REQUEST_INVALID that names every field */
export function parseJson<S extends z.ZodMiniType>(
  schema: S,
  text: string,
  what: string,
): z.output<S> {
  let value: unknown;
  try {
    value = JSON.parse(text, (name, each) => {
      if (name === '__proto__') throw new SyntaxError('__proto__ is no name of a field');
      return each;
    });
  } catch (cause) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: `${what} is not JSON`,
      cause,
    });
  }
  return parse(schema, value, what) as z.output<S>;
}
