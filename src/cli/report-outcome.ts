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
      ...refusalsOf(outcome),
      ...(outcome.limitsHit.length === 0 ? [] : [`limits hit: ${outcome.limitsHit.join(', ')}`]),
      ...changesOf(outcome),
    ],
  };
}

/** Limits have a line of their own. The same lines as native/launcher/run.c writes. */
function refusalsOf({ violations }: Outcome): string[] {
  return violations.flatMap(({ kind, target, program, pid, count, reason }) => {
    if (kind === 'limit' || target === undefined) return [];
    // What to ask for instead stands in the reason.
    if (kind === 'network') return [`refused: ${target}: ${reason}`];
    const who = [program, pid === undefined ? undefined : `pid ${pid}`].filter(
      (part) => part !== undefined,
    );
    const by = who.length === 0 ? '' : ` (${who.join(', ')})`;
    return [`refused: ${target}${by}${count === undefined ? '' : `, ${count} times`}`];
  });
}

function changesOf({ changes }: Outcome): string[] {
  if (changes?.pending === undefined) return [];
  const { pending, kept, reason } = changes;
  return [
    `${kept} ${kept === 1 ? 'change is' : 'changes are'} kept${reason === undefined ? '' : `: ${reason}`}; next: caisson diff ${pending}`,
  ];
}
