/**
 * What becomes of the changes that a run made in an overlay, once it has ended.
 */
import { type CaissonError, isCaissonError } from '../core/error.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Policy } from '../policy/policy.ts';
import { Changes } from './changes.ts';
import type { Overlay } from './overlay.ts';

/**
 * Applies or keeps what a run changed, as the policy says; what stays is pending under the overlay's id.
 *
 * @param launcher path of the launcher's program
 */
export async function settleChanges(
  overlay: Overlay,
  outcome: Outcome,
  policy: Policy,
  launcher: string,
): Promise<Outcome> {
  let changes: Changes;
  try {
    changes = await Changes.read(overlay, launcher);
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'TOO_LARGE') throw error;
    // The guest's doing, and no reason to keep what it came to from anybody.
    overlay.release();
    const { message: reason } = error;
    return { ...outcome, changes: { pending: overlay.id, applied: 0, kept: 0, reason } };
  }
  if (changes.isEmpty) {
    await overlay.discard();
    return outcome;
  }
  overlay.release();
  const all = changes.entries.length;
  const keep = (reason?: string): Outcome => ({
    ...outcome,
    changes: {
      pending: overlay.id,
      applied: 0,
      kept: all,
      ...(reason === undefined ? {} : { reason }),
    },
  });
  if (policy.workspace.apply === 'manual') return keep();
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
    return {
      ...outcome,
      violations: [...outcome.violations, { kind: 'file', reason, details: { paths } }],
      changes: { pending: overlay.id, applied: applied.length, kept: skipped.length, reason },
    };
  } catch (error) {
    if ((error as { code?: string }).code !== 'CHANGES_CONFLICT') throw error;
    return keep((error as CaissonError).message);
  }
}
