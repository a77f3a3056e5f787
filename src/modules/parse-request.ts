/** What somebody asks for, checked against its schema; every problem is told at once. */
import type * as z from 'zod/mini';
import { CaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';

const SHOWN = 10;

/** @param what as a message calls it @throws REQUEST_INVALID */
export function parseRequest<S extends z.ZodMiniType>(
  schema: S,
  value: unknown,
  what: string,
): z.output<S> {
  const parsed = safeParse(schema, value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, SHOWN).map(problemOf);
  throw invalid(`${what}: ${problems.join('; ')}`, problems);
}

function problemOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join('.');
  return path === '' ? textOf(issue) : `${path}: ${textOf(issue)}`;
}

function textOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return `there is no ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
  }
  if (issue.code === 'invalid_type') return `write ${ARTICLES[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `write one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code === 'too_small') return `at least ${issue.minimum}`;
  return issue.message;
}

const ARTICLES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  object: 'an object',
  array: 'a list',
};

function invalid(message: string, problems: readonly string[]): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'modules',
    message,
    hint: 'docs/modules.md says what it may hold',
    details: { problems },
  });
}
