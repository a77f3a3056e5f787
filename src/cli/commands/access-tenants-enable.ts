/** `caisson access tenants enable`. */
import type { tenantsSwitchFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { changeTenant, withAccess } from '../with-access.ts';

export const action: Action<typeof tenantsSwitchFlags> = async ({
  flags,
  positionals: [id = ''],
}) =>
  await withAccess(flags, async (access) => {
    const tenant = await changeTenant(access, id, { disabled: false });
    return { exit: 0, document: { tenant }, text: `${id}  enabled\n` };
  });
