/** `caisson diff [ID]`. */
import type { Action } from '../command.ts';
import { changesOf, listPending, pendingOverlay } from '../pending-changes.ts';

type DiffFlags = { readonly list: { readonly summary: string } };

export const action: Action<DiffFlags> = async ({ flags, positionals: [id] }) => {
  if (flags.list === true) return list();
  const overlay = pendingOverlay(id);
  const changes = await changesOf(overlay);
  const diff = await changes.diff();
  const held = changes.entries.filter((change) => change.protected).map(({ path }) => path);
  const staying = changes.entries.filter(({ stays }) => stays === true).map(({ path }) => path);
  return {
    exit: 0,
    document: {
      id: overlay.id,
      workspace: overlay.record.workspace,
      changes: changes.entries,
      diff,
    },
    text: diff,
    notes: [
      `${changes.entries.length} changes of ${overlay.record.workspace}; next: caisson apply ${overlay.id}, or discard`,
      ...(held.length === 0 ? [] : [`the policy protects ${held.join(', ')}: apply refuses them`]),
      ...(staying.length === 0
        ? []
        : [`the policy does not name ${staying.join(', ')} under write: apply leaves them out`]),
    ],
  };
};

function list() {
  const pending = listPending();
  const rows = pending.map(({ id, workspace, policyDigest }) => ({ id, workspace, policyDigest }));
  return {
    exit: 0,
    document: { pending: rows },
    text: rows.map(({ id, workspace }) => `${id}  ${workspace}\n`).join(''),
    ...(rows.length === 0 ? { notes: ['no changes are kept'] } : {}),
  };
}
