/** Computes functions of the program exactly, where they need nothing from outside. */
import type { Closure, Known } from './known.ts';
import type { Run } from './run.ts';

export function compute(_run: Run, _closure: Closure, _args: readonly Known[]): Known | undefined {
  return undefined;
}
