/**
 * What a run came to, for the shell and the person.
 */
import type { Outcome } from '../core/outcome.ts';
import type { Report } from './command.ts';
import { describeEnding, exitCodeOf } from './exit-code.ts';
import type { Ended } from './run-guest.ts';

export function report({ outcome, received }: Ended): Report {
  const ending = describeEnding(outcome);
  return {
    exit: exitCodeOf(outcome, received),
    document: outcome,
    notes: [
      ...(ending === undefined ? [] : [ending]),
      ...(outcome.limitsHit.length === 0 ? [] : [`limits hit: ${outcome.limitsHit.join(', ')}`]),
      ...changesOf(outcome),
    ],
  };
}

function changesOf({ changes }: Outcome): string[] {
  if (changes?.pending === undefined) return [];
  const { pending, kept, reason } = changes;
  return [
    `${kept} changes are kept${reason === undefined ? '' : `: ${reason}`}; next: caisson diff ${pending}`,
  ];
}
