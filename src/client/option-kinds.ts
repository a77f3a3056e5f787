/** The options of what a service does, and of which kind each is. */
import { EVAL } from '../functions/option-kinds.ts';
import type { KindsOf } from '../sandbox/known-options.ts';
import { EVALUATION, EXEC, MANAGED, SPAWN } from '../sandbox/option-kinds.ts';
import type { Once } from './place.ts';

export const ONCE = { idempotencyKey: 'text' } as const satisfies KindsOf<Once>;

/** By the method that takes them. */
export const REMOTE = {
  run: { ...EXEC, ...MANAGED.each, ...ONCE },
  spawn: { ...SPAWN, ...MANAGED.each },
  create: { ...MANAGED.create, ...ONCE },
  fork: { ...MANAGED.fork, ...ONCE },
  evaluate: { ...EVALUATION, ...ONCE },
  eval: { ...EVAL, ...ONCE },
  exec: { ...EXEC, ...ONCE },
} as const;
