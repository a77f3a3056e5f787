/** `caisson discard [ID]`. */
import { CaissonError } from '../../core/error.ts';
import { Overlay } from '../../sandbox/overlay.ts';
import { defaultStateDirectory } from '../../sandbox/state-directory.ts';
import type { Action } from '../command.ts';
import { listPending, pendingOverlay } from '../pending-changes.ts';

type DiscardFlags = { readonly all: { readonly summary: string } };

export const action: Action<DiscardFlags> = async ({ flags, positionals: [id] }) => {
  if (flags.all === true && id !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: 'an id and --all are given',
      hint: 'give one of them',
    });
  }
  const overlays =
    flags.all === true
      ? listPending().map((record) => Overlay.open(defaultStateDirectory(), record.id))
      : [pendingOverlay(id)];
  const discarded = overlays.map((overlay) => ({
    id: overlay.id,
    workspace: overlay.record.workspace,
  }));
  for (const overlay of overlays) await overlay.discard();
  return {
    exit: 0,
    document: { discarded },
    notes: discarded.map(({ id, workspace }) => `forgot ${id}, changes of ${workspace}`),
  };
};
