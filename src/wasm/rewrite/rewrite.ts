/** All that is done to a module before it runs, in the order in which one does not disturb the other. */
import { CaissonError } from '../../core/error.ts';
import { refuseFeatures } from '../check-features.ts';
import { nondeterministicFeatures } from '../features.ts';
import type { Module } from '../module.ts';
import { boundStack } from './bound-stack.ts';
import { canonicalizeNans } from './canonicalize-nans.ts';
import { clampLimits, type LimitsOptions } from './clamp-limits.ts';
import { deferStart } from './defer-start.ts';
import { type FuelOptions, meterFuel } from './meter-fuel.ts';
import { refuseReserved } from './reserved-exports.ts';

export interface RewriteOptions extends LimitsOptions {
  /** Instructions are counted and paid for; by default they are not. */
  readonly fuel?: FuelOptions;
  /** Slots of 8 bytes that calls may be deep; by default as deep as the engine goes. */
  readonly stackSlots?: number;
  /** One result for one input: NaNs are canonical, threads and relaxed SIMD refused. By default false. */
  readonly deterministic?: boolean;
}

/**
 * @throws CaissonError `WASM_REFUSED` for what the module may not be, `REQUEST_INVALID` for options that are
 *   none
 */
export function rewrite(module: Module, options: RewriteOptions): Module {
  const { fuel, stackSlots, deterministic } = options;
  checkNumbers(options);
  if (deterministic) refuseFeatures(module, nondeterministicFeatures);
  refuseReserved(module);
  let rewritten = deferStart(clampLimits(module, options));
  // Before all that adds instructions: a module costs the same with and without them.
  if (fuel) rewritten = meterFuel(rewritten, fuel);
  if (deterministic) rewritten = canonicalizeNans(rewritten);
  if (stackSlots !== undefined) rewritten = boundStack(rewritten, stackSlots);
  return rewritten;
}

/** The most that each can be: pages of a memory, elements of a table, slots in a counter of 32 bits. */
const MOST = { memoryPages: 65_536, tableElements: 2 ** 32 - 1, stackSlots: 2 ** 31 - 1 } as const;

function checkNumbers(options: RewriteOptions): void {
  for (const [name, most] of Object.entries(MOST)) {
    const value = options[name as keyof typeof MOST];
    if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= most)) continue;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'wasm',
      message: `${name}: ${value} is not a limit`,
      hint: `write a whole number from 0 to ${most}`,
    });
  }
}
