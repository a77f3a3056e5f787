/** `caisson access tenants set`. */
import type { tenantsSetFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { readTenantSettings } from '../tenant-settings.ts';
import { changeTenant, withAccess } from '../with-access.ts';

export const action: Action<typeof tenantsSetFlags> = async ({ flags, positionals: [id = ''] }) => {
  const { description } = flags;
  const change = {
    ...readTenantSettings(flags),
    ...(description === undefined ? {} : { description }),
  };
  return await withAccess(flags, async (access) => {
    const tenant = await changeTenant(access, id, change);
    return { exit: 0, document: { tenant }, text: `${id}  changed\n` };
  });
};
