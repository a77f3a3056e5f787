/**
 * What becomes of the changes that a run made in an overlay, once it has ended.
 */
import { type CaissonError, isCaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Policy } from '../policy/policy.ts';
import { Changes } from './changes.ts';
import type { Overlay } from './overlay.ts';

export interface PendingOptions {
  /**
   * What becomes of changes in an overlay that are not brought into the workspace. `keep`, the default: they wait under an
   * id, and are somebody's work from then on. `discard`: they go with the run.
   */
  readonly pending?: 'keep' | 'discard';
}

type Left = Omit<NonNullable<Outcome['changes']>, 'pending'>;

const GO_WITH_IT = 'what it did not bring into the workspace was to go with it';

/**
 * Applies what a run changed, keeps or discards it, as the policy and its caller say.
 *
 * @param launcher path of the launcher's program
 */
export async function settleChanges(
  overlay: Overlay,
  outcome: Outcome,
  policy: Policy,
  launcher: string,
  { pending = 'keep' }: PendingOptions = {},
): Promise<Outcome> {
  const leave = async (left: Left): Promise<Outcome> => ({
    ...outcome,
    changes: pending === 'keep' ? { pending: overlay.id, ...left } : await discard(overlay, left),
  });
  let changes: Changes;
  try {
    changes = await Changes.read(overlay, launcher);
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'TOO_LARGE') throw error;
    // The guest's doing, and no reason to keep what it came to from anybody.
    if (pending === 'keep') overlay.release();
    return await leave({ applied: 0, kept: 0, reason: error.message });
  }
  if (changes.isEmpty) {
    await overlay.discard();
    return outcome;
  }
  // Until then they are nobody's, and go with this process.
  if (pending === 'keep') overlay.release();
  const all = changes.entries.length;
  if (policy.workspace.apply === 'manual') return await leave({ applied: 0, kept: all });
  try {
    const { applied, skipped } = await changes.apply({ skipProtected: true });
    if (skipped.length === 0) {
      await overlay.discard();
      return { ...outcome, changes: { applied: applied.length, kept: 0 } };
    }
    const paths = skipped.map((change) => change.path);
    const reason = skipped.some(({ stays }) => stays)
      ? 'the policy does not let out what the run changed'
      : 'the policy protects what the run changed';
    const left = await leave({ applied: applied.length, kept: skipped.length, reason });
    return {
      ...left,
      violations: [...outcome.violations, { kind: 'file', reason, details: { paths } }],
    };
  } catch (error) {
    if ((error as { code?: string }).code !== 'CHANGES_CONFLICT') throw error;
    return await leave({ applied: 0, kept: all, reason: (error as CaissonError).message });
  }
}

async function discard(overlay: Overlay, left: Left): Promise<Left> {
  try {
    await overlay.discard();
    return { reason: GO_WITH_IT, ...left };
  } catch (error) {
    return { ...left, reason: `it could not be removed: ${(error as Error).message}` };
  }
}
