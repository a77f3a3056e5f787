/** `caisson apply [ID]`. What was applied whole is forgotten; a rest stays kept. */
import { relative, resolve } from 'node:path';
import type { Change } from '../../sandbox/changes.ts';
import type { Action } from '../command.ts';
import { changesOf, pendingOverlay } from '../pending-changes.ts';

type ApplyFlags = {
  readonly 'skip-protected': { readonly summary: string };
  readonly only: { readonly summary: string; readonly value: 'PATH'; readonly repeatable: true };
};

export const action: Action<ApplyFlags> = async ({ flags, positionals: [id] }) => {
  const overlay = pendingOverlay(id);
  const { workspace } = overlay.record;
  const changes = await changesOf(overlay);
  const only = flags.only?.map((path) => relative(workspace, resolve(workspace, path)));
  const { applied, skipped } = await changes.apply({
    skipProtected: flags['skip-protected'] === true,
    ...(only === undefined ? {} : { only }),
  });
  const whole = only === undefined && !skipped.some(({ stays }) => stays);
  if (whole) await changes.discard();
  return {
    exit: 0,
    document: { id: overlay.id, workspace, applied, skipped, kept: !whole },
    text: applied.map(({ kind, path }) => `${kind} ${path}\n`).join(''),
    notes: [
      `${applied.length} changes applied to ${workspace}`,
      ...skipped.map((change) => `left out ${change.path}: ${whyLeftOut(change)}`),
      ...(whole ? [] : [`the rest is kept: caisson diff ${overlay.id}`]),
    ],
  };
};

function whyLeftOut({ type, stays }: Change): string {
  if (type === 'special') return 'it is no file';
  return stays === true ? 'the policy does not name it under write' : 'protected';
}
