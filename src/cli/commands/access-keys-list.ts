/** `caisson access keys list`. */
import type { KeyInfo } from '../../server/security/key-registry.ts';
import type { keysListFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { columns } from '../text-columns.ts';
import { withAccess } from '../with-access.ts';

export const action: Action<typeof keysListFlags> = async ({ flags }) =>
  await withAccess(flags, async ({ keys }) => {
    const found = await keys.list(flags.tenant === undefined ? {} : { tenant: flags.tenant });
    return {
      exit: 0,
      document: { keys: found },
      text: found.length === 0 ? '' : columns([HEADER, ...found.map(rowOf)]),
      notes: found.length === 0 ? ['there is none: caisson access keys create makes one'] : [],
    };
  });

const HEADER = ['KEY', 'TENANT', 'STATE', 'MAY', 'CREATED', 'EXPIRES', 'LAST USED', 'NAME'];

function rowOf(key: KeyInfo): string[] {
  const { id, tenant, state, roles, scopes, createdMs, expiresMs, lastUsedMs, name } = key;
  const may = [...roles, ...scopes].join(',');
  return [id, tenant, state, may, timeOf(createdMs), timeOf(expiresMs), timeOf(lastUsedMs), name];
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? '-' : `${new Date(ms).toISOString().slice(0, 16)}Z`;
}
