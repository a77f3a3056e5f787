/** `caisson access keys create`. */
import { CaissonError } from '../../core/error.ts';
import { parseDuration } from '../../core/units.ts';
import { DEFAULT_TENANT } from '../../server/security/tenants.ts';
import { TENANT_ID } from '../../store/tenant-record.ts';
import type { keysCreateFlags } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { withAccess } from '../with-access.ts';

export const action: Action<typeof keysCreateFlags> = async ({ flags }) => {
  const { tenant = DEFAULT_TENANT, name = '', role = [], scope = [], expires } = flags;
  if (!TENANT_ID.test(tenant)) {
    throw invalid(
      `${JSON.stringify(tenant)} cannot name a tenant`,
      'write 1 to 64 of a-z, 0-9, `.`, `_` and `-`',
    );
  }
  const expiresMs = expires === undefined ? undefined : parseEnd(expires);
  return await withAccess(flags, async ({ keys, tenants, by }) => {
    const { key, token } = await keys.create({
      tenant,
      name,
      roles: role,
      scopes: scope,
      by,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    });
    return {
      exit: 0,
      document: { key, token },
      text: `${token}\n`,
      notes: [
        `this is the API key ${key.id} of ${tenant}; it is not shown again`,
        ...(tenants.exists(tenant)
          ? []
          : [
              `unless the configuration of the service names ${tenant}, the key is good for nothing: caisson access tenants create ${tenant}${flags.state === undefined ? '' : ` --state ${flags.state}`}`,
            ]),
      ],
    };
  });
};

/** `2027-01-31`, `2027-01-31T12:00:00Z`, or from now: `90d`. Unix ms. */
function parseEnd(text: string): number {
  const at = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(at)) return at;
  if (/^\d[\d.]*[a-z]/.test(text)) return Date.now() + parseDuration(text);
  throw invalid(
    `${JSON.stringify(text)} is no time`,
    'write a day such as 2027-01-31, a time such as 2027-01-31T12:00:00Z, or 90d (from now)',
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
