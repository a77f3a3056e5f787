/**
 * `caisson policy diff A B`. Exit code 1 where they differ in what they allow, as diff(1) says it.
 */

import type { Policy } from '../../policy/policy.ts';
import { isProfileName } from '../../policy/profiles.ts';
import type { Action } from '../command.ts';
import { policyOf } from '../policy-request.ts';

export const action: Action = async ({ positionals: [a = '', b = ''] }) => {
  const first = await named(a);
  const second = await named(b);
  const { diffPolicies } = await import('../../policy/compare.ts');
  const diff = diffPolicies(first, second, { first: a, second: b });
  const lines = [...diff.onlyFirst, ...diff.onlySecond, ...diff.other];
  return {
    exit: diff.onlyFirst.length + diff.onlySecond.length > 0 ? 1 : 0,
    document: diff,
    text: lines.length === 0 ? `${a} and ${b} allow the same\n` : `${lines.join('\n')}\n`,
  };
};

async function named(word: string): Promise<Policy> {
  if (isProfileName(word)) return await policyOf({ document: {}, profile: word });
  return await policyOf({ document: {}, file: word });
}
