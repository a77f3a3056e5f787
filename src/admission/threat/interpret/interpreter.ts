/**
 * From a tree to facts. Every function of the program is walked, each at most three times, so that what flows through
 * variables, properties, arguments and results is seen wherever it goes, without following each path of control.
 */
import type { Effects, Facts } from '../facts.ts';
import type { FunctionValue, ProgramTree } from '../tree.ts';
import type { Dialect } from './dialect.ts';
import type { Closure } from './known.ts';
import { Recorder } from './recorder.ts';
import { Run, Stopped } from './run.ts';
import { walkClosure } from './walk.ts';

/** Evaluations of nodes, over all walks: far more than the largest file below the limit on bytes needs. */
const MOST_STEPS = 20_000_000;

export interface Interpreted {
  readonly facts: Facts;
  readonly isTooDeep: boolean;
  readonly functions: number;
  /** Branches, loops and choices that were walked. */
  readonly decisions: number;
}

/** @param deadline in milliseconds of `performance.now()`. Never throws. */
export function interpret(
  tree: ProgramTree,
  source: string,
  dialect: Dialect,
  effects: Effects,
  deadline: number,
): Interpreted {
  const recorder = new Recorder(source);
  const body: FunctionValue = {
    kind: 'function',
    name: undefined,
    parameters: [],
    body: tree.body,
    arrow: false,
    start: 0,
    end: source.length,
  };
  const run = new Run(dialect, effects, recorder, body, { deadline, steps: MOST_STEPS });
  let stoppedBy: Facts['stoppedBy'];
  try {
    walkClosure(run, run.main);
    // The queue grows while it is worked on.
    for (let i = 0; i < run.queue.length; i++) walkClosure(run, run.queue[i] as Closure);
  } catch (error) {
    if (error instanceof Stopped) stoppedBy = error.by;
    else if (error instanceof RangeError) run.isTooDeep = true;
    else throw error;
  }
  return {
    facts: recorder.facts(stoppedBy),
    isTooDeep: run.isTooDeep,
    functions: run.closures - 1,
    decisions: run.decisions,
  };
}
