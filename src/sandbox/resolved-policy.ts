/** What `Caisson.policy` says of a policy, as it can be handed in where a policy is asked for. */
import { CaissonError, type ErrorLayer } from '../core/error.ts';
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

/**
 * Of JavaScript, anything may come in the place of a policy. A promise has no keys, and so would be the document that says
 * nothing: what somebody forgot to await must not run behind the defaults.
 *
 * @throws POLICY_INVALID
 */
export function requirePolicyObject(
  input: unknown,
  layer: ErrorLayer = 'sandbox',
): asserts input is object {
  const kind = Object.prototype.toString.call(input).slice('[object '.length, -1);
  if (kind === 'Object') return;
  throw new CaissonError('POLICY_INVALID', {
    layer,
    message: `a policy is a name or a document, not ${input === undefined || input === null ? input : `a ${kind}`}`,
    hint:
      kind === 'Promise'
        ? 'await it'
        : "give the name of a level or profile, such as 'strict', or a document, such as { level: 'strict' }",
  });
}
