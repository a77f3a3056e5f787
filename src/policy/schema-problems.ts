/**
 * What a schema finds fault with, as a person reads it: where it stands, what is wrong, what was meant.
 */
import type { z } from 'zod';
import { formatPath, type Locate, type Problem } from './problems.ts';
import { suggest } from './suggest.ts';

export interface SchemaProblemsOptions {
  readonly locate?: Locate | undefined;
  /** Values of the wrong type are not repeated: they may be secrets. */
  readonly withoutValues?: boolean;
}

/** @param issues of a `safeParse` with `reportInput: true` */
export function schemaProblems(
  schema: z.core.$ZodType,
  issues: readonly z.core.$ZodIssue[],
  options: SchemaProblemsOptions = {},
): Problem[] {
  return issues.flatMap((issue) => explainIssue(schema, issue, options));
}

function explainIssue(
  schema: z.core.$ZodType,
  issue: z.core.$ZodIssue,
  options: SchemaProblemsOptions,
): Problem[] {
  const { locate, withoutValues = false } = options;
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
      if (issue.input === undefined) {
        return [{ ...at, message: 'missing', ...suggestion(`one of ${values.join(', ')}`) }];
      }
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
      if (withoutValues) return [{ ...at, message: issue.message }];
      return [{ ...at, message: `${show(issue.input)} is not ${article(issue.expected)}` }];
    case 'invalid_union': {
      const inner = innerIssues(issue);
      if (inner.length > 0) return inner.flatMap((one) => explainIssue(schema, one, options));
      if (withoutValues) {
        const message = issue.input === undefined ? 'missing' : issue.message + expectedBy(issue);
        return [{ ...at, message }];
      }
      return [
        {
          ...at,
          message: issue.input === undefined ? 'missing' : `${show(issue.input)} does not fit here`,
          ...suggestion(issue.message),
        },
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

/** `: expected string or record` */
function expectedBy({ errors }: z.core.$ZodIssueInvalidUnion): string {
  const expected = errors.flatMap(([first]) =>
    first?.code === 'invalid_type' && first.path.length === 0 ? [first.expected] : [],
  );
  return expected.length === 0 ? '' : `: expected ${expected.join(' or ')}`;
}

function suggestion(text: string | undefined | false): { suggestion?: string } {
  return text ? { suggestion: text } : {};
}

function didYouMean(
  schema: z.core.$ZodType,
  key: string,
  path: readonly (string | number)[],
): string | undefined {
  const near = suggest(key, keysAt(schema, path));
  if (near) return `did you mean ${near}?`;
  const section = keysAt(schema, []).find((name) => keysAt(schema, [name]).includes(key));
  return section && `it belongs under ${section}`;
}

/** The keys that may stand in the object at `path`. */
function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
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

/** What a schema is made of, in both of zod's forms. */
interface Definition {
  readonly shape?: Record<string, unknown>;
  readonly element?: unknown;
  readonly valueType?: unknown;
  readonly options?: readonly unknown[];
  readonly innerType?: unknown;
  /** Of a pipe: what comes in. */
  readonly in?: unknown;
}

/** Without what makes it optional or changes it afterwards. */
function bare(schema: unknown): Definition | undefined {
  let inner = definitionOf(schema);
  while (inner && !inner.shape && !inner.element && (inner.innerType ?? inner.in) !== undefined) {
    inner = definitionOf(inner.innerType ?? inner.in);
  }
  return inner;
}

function definitionOf(schema: unknown): Definition | undefined {
  return (schema as z.core.$ZodType | undefined)?._zod.def as Definition | undefined;
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
