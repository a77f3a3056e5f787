/**
 * Policies that need no file: a level or a profile as it is.
 *
 * Loads neither zod nor yaml, for programs that start often.
 */
import { levels } from './levels.ts';
import { type NormalizeContext, normalize } from './normalize.ts';
import type { Level, Policy } from './policy.ts';
import { type ProfileName, profiles } from './profiles.ts';

/** The level alone, as if a document had named nothing else. */
export function levelPolicy(level: Level): Policy {
  return normalize([{ document: { level }, source: `level ${level}` }], {});
}

export function profilePolicy(name: ProfileName, context: NormalizeContext = {}): Policy {
  return normalize([{ document: profiles[name].document, source: `profile ${name}` }], context);
}

/** Whether `name` is a level. */
export function isLevel(name: string): name is Level {
  return Object.hasOwn(levels, name);
}
