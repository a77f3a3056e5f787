/**
 * Whether, and from where, refused file accesses are recorded.
 */
import type { Policy } from './policy.ts';

/** From what records least to what records most. */
const FILE_REFUSALS = ['none', 'audit', 'observe'] as const;

/** What records more, or less, of two. */
export function combineFileRefusals(
  pick: 'more' | 'less',
  a: Policy,
  b: Policy,
): Pick<Policy, 'fileRefusals'> {
  const ranks = [a, b].map((policy) => FILE_REFUSALS.indexOf(policy.fileRefusals ?? 'none'));
  const found = FILE_REFUSALS[pick === 'more' ? Math.max(...ranks) : Math.min(...ranks)];
  return found === undefined || found === 'none' ? {} : { fileRefusals: found };
}
