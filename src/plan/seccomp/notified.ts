/**
 * Which refusals of a policy are handed to the launcher to be recorded: those of the escape class.
 */
import type { ViolationEnding } from '../../policy/on-violation.ts';
import type { NotifiedCall } from '../plan.ts';
import { type Action, type Condition, decide, errnos, type PlainAction } from './action.ts';
import type { SeccompRequest } from './compile.ts';
import { syscallNames } from './numbers.ts';
import { decidePolicy } from './policy-table.ts';
import { escapes } from './table/escapes.ts';

/** The action with its refusals handed over, where the call is of the escape class. */
export function handedOver(name: string, decided: Action): Action {
  const row = escapes[name];
  if (row === undefined || decided.kind === 'allow') return decided;
  const { when } = row;
  if (when === undefined) return decided.kind === 'check' ? decided : handOver(decided);
  const answer = decide(decided, argumentsOf(when));
  if (answer.kind !== 'errno') return decided;
  const rest =
    decided.kind === 'check' ? decided : { says: 'nothing', clauses: [], otherwise: decided };
  return {
    ...rest,
    kind: 'check',
    clauses: [
      { when, answer: handOver(answer) },
      ...rest.clauses.filter((clause) => clause.when !== when),
    ],
  };
}

function handOver(action: PlainAction): PlainAction {
  return action.kind === 'errno' ? { kind: 'notify', errno: action.errno } : action;
}

/** Arguments that fulfil all of the conditions. */
function argumentsOf(conditions: readonly Condition[]): readonly bigint[] {
  const args = [0n, 0n, 0n, 0n, 0n, 0n];
  for (const { argument, mask, test } of conditions) {
    args[argument] = BigInt(test === 'any' ? (mask ?? 1) : (test.in[0] ?? 0));
  }
  return args;
}

/** The calls that may come, by number; empty where the policy allows the whole class. */
export function notifiedCalls(
  request: SeccompRequest,
  ending: ViolationEnding,
): readonly NotifiedCall[] {
  const { arch, preset, allow = [], deny = [] } = request;
  const byName = new Map(decidePolicy({ preset, allow, deny }).map((row) => [row.name, row]));
  return [...syscallNames[arch]].flatMap(([number, name]) => {
    const row = escapes[name];
    const decided = byName.get(name)?.decided;
    if (row === undefined || decided === undefined) return [];
    const errno = errnoOf(handedOver(name, decided));
    if (errno === undefined) return [];
    const ends = ending === 'all' || (ending === 'escapes' && row.ends);
    const spared = ending === 'escapes' ? row.spared : undefined;
    return [
      { number, errno: errnos[errno], ends, name, ...(spared === undefined ? {} : { spared }) },
    ];
  });
}

function errnoOf(action: Action): keyof typeof errnos | undefined {
  const answers = action.kind === 'check' ? action.clauses.map(({ answer }) => answer) : [action];
  return answers.find((answer) => answer.kind === 'notify')?.errno;
}
