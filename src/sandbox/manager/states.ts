/**
 * States of a managed sandbox, and which may follow which.
 */
import { CaissonError } from '../../core/error.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { SandboxState } from '../../store/managed-record.ts';

export type { SandboxState } from '../../store/managed-record.ts';
export { SANDBOX_STATES } from '../../store/managed-record.ts';

/**
 * | state | |
 * |---|---|
 * | Initializing | waits for room, or is being made |
 * | Running | there, and not stopped |
 * | Paused | every process in it stands still |
 * | Completed | its command exited, with whatever code; or it was closed by its owner |
 * | Failed | it could not be made, it was ended by a signal or a limit that is not of time, or its launcher went |
 * | TimedOut | a time limit, its time to live or its idle time-out ran out; or its patience in the queue |
 * | Killed | by its owner, by the manager's end, or for a violation |
 */
export const TRANSITIONS: Readonly<Record<SandboxState, readonly SandboxState[]>> = {
  Initializing: ['Running', 'Failed', 'TimedOut', 'Killed'],
  Running: ['Paused', 'Completed', 'Failed', 'TimedOut', 'Killed'],
  Paused: ['Running', 'Completed', 'Failed', 'TimedOut', 'Killed'],
  Completed: [],
  Failed: [],
  TimedOut: [],
  Killed: [],
};

export function isFinal(state: SandboxState): boolean {
  return TRANSITIONS[state].length === 0;
}

/** @throws INTERNAL: a fault of ours */
export function requireTransition(from: SandboxState, to: SandboxState): void {
  if (TRANSITIONS[from].includes(to)) return;
  throw new CaissonError('INTERNAL', {
    layer: 'sandbox',
    message: `a sandbox that is ${from} cannot become ${to}`,
  });
}

/** Where a run's outcome leads. */
export function stateAfter({ kind }: Pick<Outcome, 'kind'>): SandboxState {
  switch (kind) {
    case 'exited':
      return 'Completed';
    case 'timed-out':
      return 'TimedOut';
    case 'killed':
    case 'denied':
      return 'Killed';
    case 'signaled':
    case 'out-of-memory':
    case 'output-limit':
      return 'Failed';
  }
}
