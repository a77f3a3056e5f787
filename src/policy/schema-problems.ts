/**
 * What a schema finds fault with, as a person reads it: where it stands, what is wrong, what was meant.
 */
import type { z } from 'zod';
import { formatPath, type Locate, type Problem } from './problems.ts';
import { suggest } from './suggest.ts';

/** @param issues of a `safeParse` with `reportInput: true` */
export function schemaProblems(
  schema: z.ZodType,
  issues: readonly z.core.$ZodIssue[],
  locate?: Locate,
): Problem[] {
  return issues.flatMap((issue) => explainIssue(schema, issue, locate));
}

function explainIssue(
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
  locate: Locate | undefined,
): Problem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const at = { path: formatPath(path), ...locate?.(path, 'value') };
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: formatPath([...path, key]),
        ...locate?.([...path, key], 'key'),
        message: 'unknown key',
        ...suggestion(didYouMean(schema, key, path)),
      }));
    case 'invalid_value': {
      const values = issue.values.map(String);
      const near = typeof issue.input === 'string' ? suggest(issue.input, values) : undefined;
      return [
        {
          ...at,
          message: `${show(issue.input)} is not one of ${values.join(', ')}`,
          ...suggestion(near && `did you mean ${near}?`),
        },
      ];
    }
    case 'invalid_key':
      return issue.issues.map((inner) => ({ ...at, message: inner.message }));
    case 'invalid_type':
      if (issue.input === undefined) return [{ ...at, message: 'missing' }];
      return [{ ...at, message: `${show(issue.input)} is not ${article(issue.expected)}` }];
    case 'invalid_union': {
      const inner = innerIssues(issue);
      if (inner.length > 0) return inner.flatMap((one) => explainIssue(schema, one, locate));
      return [
        { ...at, message: `${show(issue.input)} does not fit here`, ...suggestion(issue.message) },
      ];
    }
    case 'custom': {
      const hint: unknown = issue.params?.hint;
      return [
        {
          ...at,
          message: issue.message,
          ...suggestion(typeof hint === 'string' ? hint : undefined),
        },
      ];
    }
    default:
      return [{ ...at, message: issue.message }];
  }
}

/** What is wrong with the one form that was meant: the one whose kind of value is there. */
function innerIssues(issue: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] {
  const meant = issue.errors.find(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  return (meant ?? []).map((one) => ({ ...one, path: [...issue.path, ...one.path] }));
}

function suggestion(text: string | undefined | false): { suggestion?: string } {
  return text ? { suggestion: text } : {};
}

function didYouMean(
  schema: z.ZodType,
  key: string,
  path: readonly (string | number)[],
): string | undefined {
  const near = suggest(key, keysAt(schema, path));
  if (near) return `did you mean ${near}?`;
  const section = keysAt(schema, []).find((name) => keysAt(schema, [name]).includes(key));
  return section && `it belongs under ${section}`;
}

/** The keys that may stand in the object at `path`. */
function keysAt(schema: z.ZodType, path: readonly (string | number)[]): string[] {
  return Object.keys(shapeOf(path.reduce<unknown>(stepInto, schema)) ?? {});
}

function stepInto(schema: unknown, step: string | number): unknown {
  const { element, valueType } = bare(schema) ?? {};
  return typeof step === 'number' ? element : (shapeOf(schema)?.[step] ?? valueType);
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  const inner = bare(schema);
  return inner?.shape ?? inner?.options?.map(shapeOf).find((shape) => shape !== undefined);
}

interface BareSchema {
  readonly shape?: Record<string, unknown>;
  readonly element?: unknown;
  readonly valueType?: unknown;
  readonly options?: readonly unknown[];
  readonly unwrap?: () => unknown;
  /** Of a pipe: what comes in. */
  readonly in?: unknown;
}

/** Without what makes it optional or changes it afterwards. */
function bare(schema: unknown): BareSchema | undefined {
  let inner = schema as BareSchema | undefined;
  while (inner && !inner.shape && !inner.element && (inner.unwrap ?? inner.in) !== undefined) {
    inner = (inner.unwrap?.() ?? inner.in) as BareSchema;
  }
  return inner;
}

function article(expected: string): string {
  if (expected === 'record' || expected === 'object') return 'a group of keys';
  if (expected === 'array') return 'a list';
  if (expected === 'boolean') return 'true or false';
  return expected === 'int' ? 'a whole number' : `a ${expected}`;
}

function show(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of keys';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
