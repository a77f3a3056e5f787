/**
 * One row of the policy table: what the presets say about a system call, and why.
 */
import { type Action, ALLOW, type CheckedAction, EPERM, type Errno } from './action.ts';

export interface SyscallRule {
  /** In preset `default`. */
  readonly action: Action;
  /** In preset `minimal`. */
  readonly minimal: Action;
  /** In preset `all`, and where the policy's `allow` names it. `floor`: never more than `action`. */
  readonly open: Action | 'floor';
  /** Why it stands as it does. */
  readonly reason: string;
}

export type SyscallGroup = Readonly<Record<string, SyscallRule>>;

/** Allowed by every preset. */
export function allow(reason: string): SyscallRule {
  return { action: ALLOW, minimal: ALLOW, open: ALLOW, reason };
}

/** Allowed, but not by `minimal`: pure computation does without it. */
export function wide(reason: string): SyscallRule {
  return { action: ALLOW, minimal: EPERM, open: ALLOW, reason };
}

/** Refused unless a policy names it. */
export function refuse(errno: Errno, reason: string): SyscallRule {
  const action: Action = { kind: 'errno', errno };
  return { action, minimal: action, open: ALLOW, reason };
}

/** Refused whatever a policy says. */
export function floor(errno: Errno, reason: string): SyscallRule {
  const action: Action = { kind: 'errno', errno };
  return { action, minimal: action, open: 'floor', reason };
}

/** Its arguments are checked unless a policy names it. */
export function checked(
  action: CheckedAction,
  reason: string,
  minimal: Action = action,
): SyscallRule {
  return { action, minimal, open: ALLOW, reason };
}

/** Its arguments are checked whatever a policy says. */
export function guarded(
  action: CheckedAction,
  reason: string,
  minimal: Action = action,
): SyscallRule {
  return { action, minimal, open: action, reason };
}
