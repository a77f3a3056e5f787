/** `caisson access keys revoke`. */
import type { keysRevokeFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { tenantOfKey, withAccess } from '../with-access.ts';

export const action: Action<typeof keysRevokeFlags> = async ({ flags, positionals: [id = ''] }) =>
  await withAccess(flags, async (access) => {
    const { keys, by } = access;
    const { reason = '' } = flags;
    const key = await keys.revoke(await tenantOfKey(access, id), id, { by, reason });
    return { exit: 0, document: { key }, text: `${id}  revoked\n` };
  });
