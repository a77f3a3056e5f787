/** Runs every function of a random module and says all that can be seen of it. */

import type { ModuleSketch } from './build-module.ts';
import { type Exports, instantiate, outcome } from './engine.ts';

const ARGUMENTS: Readonly<Record<string, readonly (number | bigint)[]>> = {
  i32: [0, 5, -7],
  i64: [0n, 9n, -(2n ** 40n)],
  f32: [0.5, -1e9, Number.NaN],
  f64: [-0, 3.25, Number.POSITIVE_INFINITY],
};
const GLOBALS = ['g_i32', 'g_i64', 'g_f32', 'g_f64'];

export interface Seen {
  /** Of each call: value or trap. */
  readonly outcomes: readonly string[];
  readonly globals: readonly string[];
  readonly memory: Uint8Array;
}

/** @param each Called around each call, with what is instantiated. */
export function runAll(
  bytes: Uint8Array,
  { functions = [] }: ModuleSketch,
  each: (exports: Exports, run: () => string) => string = (_, run) => run(),
  imports: object = {},
): Seen {
  const exports = instantiate(bytes, imports);
  const outcomes = functions.flatMap(({ parameters = [] }, index) =>
    [0, 1, 2].map((turn) => {
      const args = parameters.map((type) => ARGUMENTS[type]?.[turn] ?? 0);
      return each(exports, () => outcome(() => exports[`f${index}`]?.(...args)));
    }),
  );
  return {
    outcomes,
    globals: GLOBALS.map((name) => String(exports[name]?.value)),
    memory: new Uint8Array(exports.memory?.buffer ?? new ArrayBuffer()).slice(),
  };
}
