/** What a call of a function came to: its value, or why there is none. */
import { CaissonError } from '../core/error.ts';
import type { LimitName } from '../core/outcome.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';

/** File that the program has in a guest's stack, and what callers are shown. */
const PROGRAM = /\bmain\.js:(\d+):(\d+)/g;

/**
 * @param shift characters before the function's own text, in the program's first line
 * @throws GUEST_FAILED, GUEST_LIMIT
 */
export function requireValue(evaluation: Evaluation, name: string, shift: number): unknown {
  const { kind, code, value } = evaluation;
  if (kind === 'exited' && code === 0) return value;
  const limit = limitOf(evaluation);
  if (limit !== undefined) {
    throw new CaissonError('GUEST_LIMIT', {
      layer: 'functions',
      message: `${name} ran into its limit: ${limit}`,
      hint: 'raise timeoutMs, cpuMs or memoryBytes, and the limits of the policy above them',
      details: { limit, evaluation },
    });
  }
  const { error } = evaluation;
  const thrown = error ?? { name: 'Ended', message: `it ended: ${kind}` };
  const stack = thrown.stack?.replaceAll(PROGRAM, (_, line, column) => {
    return `function.js:${line}:${Number(column) - (line === '1' ? shift : 0)}`;
  });
  throw new CaissonError('GUEST_FAILED', {
    layer: 'functions',
    message: `${name} threw ${shown(thrown.name)}: ${shown(thrown.message)}`,
    details: {
      name: thrown.name,
      message: thrown.message,
      ...(stack === undefined ? {} : { stack }),
      evaluation,
    },
  });
}

function limitOf({ kind, clock, limitsHit }: Evaluation): LimitName | undefined {
  if (kind === 'timed-out') {
    if (clock === 'fuel') return 'fuel';
    return clock === 'cpu' ? 'cpu-time' : 'wall-time';
  }
  if (kind === 'out-of-memory') return 'memory';
  if (kind === 'output-limit') return 'output';
  return kind === 'exited' ? undefined : limitsHit[0];
}

const SHOWN_MAX = 1000;

/** A guest's words in a line of ours, which may be printed on a terminal. They stand in the details as they are. */
function shown(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ');
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}…` : line;
}
