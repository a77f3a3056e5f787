/**
 * What has to be known of a workspace's files before each run on it: what of them stays as it is, and the layers that take
 * the changes.
 */
import { requireEnforceable } from '../plan/accept.ts';
import type { Policy } from '../policy/policy.ts';
import type { OutcomeContext } from './outcome.ts';
import { Overlay } from './overlay.ts';
import { type Protection, protectionOf, unprotected } from './protect.ts';
import { stageWorkspace } from './stage.ts';
import type { Worktree } from './worktree.ts';

export interface LookSetup {
  readonly policy: Policy;
  readonly policyDigest: string;
  /** Ids that the caller accepts. */
  readonly accept: readonly string[];
  /** Directory for pending changes. */
  readonly state: string;
  readonly worktree?: Worktree;
}

export interface Looked {
  readonly protection: Protection;
  readonly overlay: Overlay | undefined;
  /** What the caller goes on without, for what is in this workspace. */
  readonly accepted: OutcomeContext['accepted'];
}

/** @throws UNENFORCEABLE where the guest would write directly on what cannot be protected, and nobody accepts that */
export async function lookDirectly(
  { policy, accept }: Pick<LookSetup, 'policy' | 'accept'>,
  workspace: string,
): Promise<Looked> {
  const protection = await protectionOf(policy.protect, workspace);
  const more = unprotected(protection);
  const accepted = more === undefined ? [] : requireEnforceable({ unenforceable: [more] }, accept);
  return { protection, overlay: undefined, accepted };
}

/** @param from changes that it begins with; absent: none */
export async function lookThroughOverlay(
  { policy, policyDigest, state, worktree }: LookSetup,
  workspace: string,
  from: Overlay | undefined,
): Promise<Looked> {
  const protection = await protectionOf(policy.protect, workspace);
  const beside = worktree?.access === 'overlay' ? besideOf(worktree) : undefined;
  const staged = policy.workspace.mode === 'staged';
  const about = {
    workspace,
    policyDigest,
    protect: [...policy.protect],
    ...(staged ? { outputs: policy.write.rules.map((rule) => ({ ...rule })) } : {}),
  };
  const overlay =
    from ?? Overlay.create(state, beside === undefined ? about : { ...about, beside });
  try {
    if (staged) await stageWorkspace(policy, workspace, overlay.staged);
    if (beside === undefined) return { protection, overlay, accepted: [] };
    const more = await protectionOf(beside.protect, beside.directory);
    const existing = [...protection.existing, ...more.existing];
    return { protection: { ...protection, existing }, overlay, accepted: [] };
  } catch (error) {
    await overlay.discard();
    throw error;
  }
}

function besideOf({ repository, protect }: Worktree): { directory: string; protect: string[] } {
  return { directory: repository, protect: [...protect] };
}
