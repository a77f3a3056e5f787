/**
 * What a run happens behind and on, as the command line says it.
 */
import type { Policy } from '../policy/policy.ts';
import { type PolicyFlagValues, policyOf, requestOf, workspaceOf } from './policy-request.ts';

export interface Place {
  readonly policy: Policy;
  /** Absolute, without links; absent where the policy shows none. */
  readonly workspace?: string;
  readonly allowUnisolated: boolean;
}

export async function placeOf(
  flags: PolicyFlagValues,
  positional?: string,
  noteFile?: (path: string, text: Uint8Array) => void,
): Promise<Place> {
  const policy = await policyOf(requestOf(flags, positional), noteFile);
  // A directory that nothing shows need not be one that could be a workspace, such as /.
  const workspace = policy.workspace.mode === 'none' ? undefined : workspaceOf(flags);
  return {
    policy,
    ...(workspace === undefined ? {} : { workspace }),
    allowUnisolated: flags.unisolated === true,
  };
}

/** `--accept a,b --accept c`. */
export function acceptedOf(flags: Pick<PolicyFlagValues, 'accept'>): string[] {
  return (flags.accept ?? []).flatMap((ids) => ids.split(',')).filter((id) => id !== '');
}
