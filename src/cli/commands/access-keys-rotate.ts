/** `caisson access keys rotate`. */
import { formatDuration } from '../../core/units.ts';
import { DEFAULT_OVERLAP_MS } from '../../server/security/key-registry.ts';
import { type keysRotateFlags, parseOverlap } from '../access-commands.ts';
import type { Action } from '../command.ts';
import { tenantOfKey, withAccess } from '../with-access.ts';

export const action: Action<typeof keysRotateFlags> = async ({ flags, positionals: [id = ''] }) => {
  const overlapMs = flags.overlap === undefined ? DEFAULT_OVERLAP_MS : parseOverlap(flags.overlap);
  return await withAccess(flags, async (access) => {
    const tenant = await tenantOfKey(access, id);
    const { key, token } = await access.keys.rotate(tenant, id, { overlapMs });
    return {
      exit: 0,
      document: { key, token },
      text: `${token}\n`,
      notes: [
        `this is the API key ${id} with its new secret; it is not shown again`,
        overlapMs === 0
          ? 'the secret before is good for nothing any more'
          : `the secret before is good for ${formatDuration(overlapMs)} more`,
      ],
    };
  });
};
