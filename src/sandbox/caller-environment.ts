/**
 * What a policy passes on of the caller's environment, read anew for each run: reading all of it would cost more than
 * the rest of a run's preparation.
 */
import { containsName } from '../policy/name-set.ts';
import type { NameSet } from '../policy/policy.ts';

export type EnvironmentSource = Readonly<Record<string, string | undefined>>;

export interface TakenEnvironment {
  readonly values: Readonly<Record<string, string>>;
  /** Equal for equal values. */
  readonly key: string;
}

/** By set: the names that it has been asked about, so that each is decided once. */
const decided = new WeakMap<NameSet, Map<string, boolean>>();

export function takeEnvironment(source: EnvironmentSource, pass: NameSet): TakenEnvironment {
  let known = decided.get(pass);
  if (known === undefined) {
    known = new Map();
    decided.set(pass, known);
  }
  const values: Record<string, string> = {};
  let key = '';
  for (const name of Object.keys(source)) {
    let passes = known.get(name);
    if (passes === undefined) {
      passes = containsName(pass, name);
      known.set(name, passes);
    }
    const value = passes ? source[name] : undefined;
    if (value === undefined) continue;
    values[name] = value;
    key += `${name}=${value}\0`;
  }
  return { values, key };
}
