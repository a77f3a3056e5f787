/** `caisson access tenants list`. */
import type { tenantsListFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { columns } from '../text-columns.ts';
import { withAccess } from '../with-access.ts';

export const action: Action<typeof tenantsListFlags> = async ({ flags }) =>
  await withAccess(flags, async ({ tenants }) => {
    const found = await tenants.list();
    const rows = found.map(({ id, disabled, createdMs, settings, description }) => [
      id,
      disabled ? 'disabled' : 'enabled',
      createdMs === undefined ? '-' : `${new Date(createdMs).toISOString().slice(0, 16)}Z`,
      Object.keys(settings).join(',') || '-',
      description,
    ]);
    return {
      exit: 0,
      document: { tenants: found },
      text: columns([['TENANT', 'STATE', 'CREATED', 'SET', 'DESCRIPTION'], ...rows]),
      notes: ['tenants that only the configuration of the service names are not shown'],
    };
  });
