/** What `Caisson.policy` says of a policy, as it can be handed in where a policy is asked for. */
import { CaissonError } from '../core/error.ts';
import { digestPolicy } from '../policy/digest.ts';
import type { Policy } from '../policy/policy.ts';

export interface ResolvedPolicy {
  readonly policy: Policy;
  /** Of that policy: another one is refused, so that what was looked at is what runs. */
  readonly digest: string;
}

export function isResolved(input: object): input is ResolvedPolicy {
  return (
    Object.keys(input).length === 2 &&
    'digest' in input &&
    'policy' in input &&
    typeof input.policy === 'object' &&
    input.policy !== null &&
    'view' in input.policy
  );
}

/** @throws POLICY_INVALID where its digest is another policy's */
export function policyIn({ policy, digest }: ResolvedPolicy): Policy {
  const own = digestPolicy(policy);
  if (own === digest) return policy;
  throw new CaissonError('POLICY_INVALID', {
    layer: 'sandbox',
    message: `the digest is not that of the policy, which is ${own}`,
    hint: 'hand in what Caisson.policy() gave, or the policy alone',
  });
}
