/**
 * What is wrong with a policy, all of it at once, each with its place.
 */
import { CaissonError } from '../core/error.ts';

export interface Problem {
  /** Where in the document: `limits.memory`, `filesystem.write[1]`; empty for the whole. */
  readonly path: string;
  /** File or name that the text came from. */
  readonly source?: string;
  /** From 1; absent where the document was not a text. */
  readonly line?: number;
  /** From 1, in UTF-16 units. */
  readonly column?: number;
  readonly message: string;
  /** What to write instead. */
  readonly suggestion?: string;
}

export type DocumentPath = readonly (string | number)[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Where things stand in the text; `part` says whether the key or the value is meant. */
export type Locate = (path: DocumentPath, part: 'key' | 'value') => Place | undefined;

/** More than a person reads at once; a hostile text must not buy an endless error. */
const MOST_SHOWN = 50;

export function formatPath(path: DocumentPath): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`,
    '',
  );
}

/** `POLICY_INVALID`, with every problem in `details.problems` and in the message. */
export function policyInvalid(problems: readonly Problem[]): CaissonError {
  const shown = [...problems]
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
    .slice(0, MOST_SHOWN);
  const lines = shown.map(formatProblem);
  const more = problems.length - shown.length;
  if (more > 0) lines.push(`and ${more} more`);
  const hint =
    shown.find((problem) => problem.suggestion !== undefined)?.suggestion ??
    'correct it; docs/policy.md says what each key takes (caisson policy check FILE looks again)';
  return new CaissonError('POLICY_INVALID', {
    layer: 'policy',
    message:
      lines.length === 1 ? (lines[0] ?? '') : `the policy is not valid:\n  ${lines.join('\n  ')}`,
    hint,
    details: { problems: shown },
  });
}

/** `agent.yaml:3:5: limits.memroy: unknown key (did you mean memory?)` */
export function formatProblem(problem: Problem): string {
  const place = [problem.source, problem.line, problem.column].filter((part) => part !== undefined);
  const head = [place.join(':'), problem.path].filter((part) => part !== '');
  const tail = problem.suggestion === undefined ? '' : ` (${problem.suggestion})`;
  return `${[...head, problem.message].join(': ')}${tail}`;
}
