/**
 * What the shell gets. The guest's own exit code passes through; everything else is in the table, which
 * docs/exit-codes.md is made from, and is said on stderr too.
 */
import { constants } from 'node:os';
import type { Outcome, OutcomeKind } from '../core/outcome.ts';

export interface ExitRow {
  readonly exit: string;
  readonly meaning: string;
}

/** Fixed codes; `signaled` is 128 and the signal's number. */
const ended = {
  'timed-out': 124,
  'output-limit': 123,
  'out-of-memory': 137,
  denied: 159,
  killed: 137,
} as const satisfies Partial<Record<OutcomeKind, number>>;

/** How a run's outcome becomes an exit code: one row for each kind. */
export const outcomeRows: readonly (ExitRow & { readonly kind: OutcomeKind })[] = [
  { kind: 'exited', exit: '0–255', meaning: 'the code that the guest ended with' },
  { kind: 'signaled', exit: '128 + n', meaning: 'signal n ended the guest, as a shell counts it' },
  {
    kind: 'timed-out',
    exit: String(ended['timed-out']),
    meaning: 'wall-clock or CPU time ran out, as timeout(1) says it',
  },
  {
    kind: 'output-limit',
    exit: String(ended['output-limit']),
    meaning: 'the guest wrote more than it may, and the policy ends it for that',
  },
  {
    kind: 'out-of-memory',
    exit: String(ended['out-of-memory']),
    meaning: 'memory ran out (128 + SIGKILL)',
  },
  {
    kind: 'denied',
    exit: String(ended.denied),
    meaning: 'ended for a violation, such as a forbidden system call (128 + SIGSYS)',
  },
  {
    kind: 'killed',
    exit: '129, 130, 137, 143',
    meaning: 'ended by the caller: 128 + the signal that caisson got, else 137',
  },
];

/** @param received the signal that made us end it, where one did */
export function exitCodeOf(outcome: Outcome, received?: NodeJS.Signals): number {
  switch (outcome.kind) {
    case 'exited':
      return outcome.code ?? 0;
    case 'signaled':
      return 128 + signalNumber(outcome.signal);
    case 'killed':
      return received === undefined ? ended.killed : 128 + signalNumber(received);
    default:
      return ended[outcome.kind];
  }
}

/** What stderr says where the exit code is not the guest's own; nothing where it is. */
export function describeEnding(outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case 'exited':
      return undefined;
    case 'signaled':
      return `the command was ended by ${outcome.signal}`;
    case 'timed-out':
      if (outcome.clock === 'fuel') return 'out of fuel (--fuel)';
      return outcome.clock === 'cpu'
        ? 'timed out: CPU time is used up (--cpu-time)'
        : 'timed out: wall-clock time is used up (--timeout)';
    case 'out-of-memory':
      return 'out of memory (--memory)';
    case 'output-limit':
      return 'ended: more output than the policy allows (--output)';
    case 'denied':
      return `ended: ${outcome.violations[0]?.reason ?? 'a violation of the policy'}`;
    case 'killed':
      return 'killed';
  }
}

function signalNumber(name: string | undefined): number {
  const known = constants.signals[name as NodeJS.Signals];
  return known ?? Number(/\d+$/.exec(name ?? '')?.[0] ?? 0);
}
