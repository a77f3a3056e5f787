/**
 * The table with a policy laid over it, as rows for `caisson explain`.
 */
import type { Action } from './action.ts';
import type { SeccompRequest } from './compile.ts';
import { syscallNames } from './numbers.ts';
import { decidePolicy, type SyscallGroupName } from './policy-table.ts';

export interface SeccompRow {
  readonly number: number;
  readonly name: string;
  readonly group: SyscallGroupName;
  /** `allow`, `EPERM`, `ENOSYS`, or `allow: ` and what is allowed. */
  readonly action: string;
  readonly reason: string;
  /** No policy can open it further. */
  readonly floor: boolean;
  /** Which part of the policy decided. */
  readonly by: 'preset' | 'allow' | 'deny';
}

/**
 * Every system call of an architecture with what the policy makes of it and why, by number.
 *
 * @throws CaissonError `POLICY_INVALID`, see `decidePolicy`
 */
export function seccompTable(request: SeccompRequest): readonly SeccompRow[] {
  const { arch, preset, allow = [], deny = [] } = request;
  const byName = new Map(decidePolicy({ preset, allow, deny }).map((row) => [row.name, row]));
  return [...syscallNames[arch]].flatMap(([number, name]): SeccompRow[] => {
    const row = byName.get(name);
    if (row === undefined) return [];
    const { group, decided, reason, by, open } = row;
    const floor = open === 'floor' || open.kind === 'check';
    return [{ number, name, group, action: actionInWords(decided), reason, floor, by }];
  });
}

function actionInWords(action: Action): string {
  if (action.kind === 'check') return `allow: ${action.says}`;
  return action.kind === 'allow' ? 'allow' : action.errno;
}
