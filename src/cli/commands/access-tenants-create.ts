/** `caisson access tenants create`. */
import type { tenantsSetFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { readTenantSettings } from '../tenant-settings.ts';
import { withAccess } from '../with-access.ts';

export const action: Action<typeof tenantsSetFlags> = async ({ flags, positionals: [id = ''] }) => {
  const settings = readTenantSettings(flags);
  return await withAccess(flags, async ({ tenants, by }) => {
    const { description = '' } = flags;
    const tenant = await tenants.create({ id, description, by, ...settings });
    return { exit: 0, document: { tenant }, text: `${id}  created\n` };
  });
};
