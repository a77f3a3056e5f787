/**
 * When a violation ends a run: what a policy says, or else its level.
 */
import { LEVEL_NAMES } from './levels.ts';
import type { Level, Policy } from './policy.ts';

/**
 * `none`: violations are recorded, and the guest goes on. `escapes`: an attempt to get out ends the run, the rest is
 * recorded, since programs probe. `all`: any violation ends it. From the weakest to the strictest.
 */
export const VIOLATION_ENDINGS = ['none', 'escapes', 'all'] as const;
export type ViolationEnding = (typeof VIOLATION_ENDINGS)[number];

export function violationEnding({
  level,
  onViolation,
}: Pick<Policy, 'level' | 'onViolation'>): ViolationEnding {
  if (onViolation === undefined) return levelEnding(level);
  return onViolation === 'kill' ? 'all' : 'none';
}

function levelEnding(level: Level): ViolationEnding {
  return LEVEL_NAMES.indexOf(level) >= LEVEL_NAMES.indexOf('strict') ? 'escapes' : 'none';
}

/** What a policy of this level says to come to an ending; where none says exactly that, the weaker one. */
export function onViolationFor(level: Level, ending: ViolationEnding): Pick<Policy, 'onViolation'> {
  if (ending === levelEnding(level)) return {};
  if (ending === 'all') return { onViolation: 'kill' };
  return ending === 'none' && levelEnding(level) !== 'none' ? { onViolation: 'record' } : {};
}

/** The stricter, or the weaker, of two. */
export function combineEndings(pick: 'stricter' | 'weaker', a: Policy, b: Policy): ViolationEnding {
  const ranks = [a, b].map((policy) => VIOLATION_ENDINGS.indexOf(violationEnding(policy)));
  const rank = pick === 'stricter' ? Math.max(...ranks) : Math.min(...ranks);
  return VIOLATION_ENDINGS[rank] ?? 'all';
}
