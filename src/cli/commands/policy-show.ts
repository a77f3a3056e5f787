/** `caisson policy show`. */
import type { Action } from '../command.ts';
import type { PolicyFlags } from '../flags.ts';
import { policyOf, requestOf } from '../policy-request.ts';

export const action: Action<PolicyFlags> = async ({ flags, positionals: [file] }) => {
  const policy = await policyOf(requestOf(flags, file));
  const { showPolicy } = await import('../../policy/show.ts');
  const { documentOf } = await import('../../policy/to-document.ts');
  const { digestPolicy } = await import('../../policy/digest.ts');
  return {
    exit: 0,
    document: { digest: digestPolicy(policy), policy: documentOf(policy) },
    text: showPolicy(policy),
  };
};
