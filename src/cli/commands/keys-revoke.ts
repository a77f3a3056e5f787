/** `caisson keys revoke NAME`. */
import { type Revoked, withRevoked } from '../../admission/signing/change-trust.ts';
import { CaissonError } from '../../core/error.ts';
import type { Action } from '../command.ts';
import type { revokeFlags } from '../signing-commands.ts';
import { writableTrustFile } from '../trust-place.ts';

export const action: Action<typeof revokeFlags> = async ({ flags, positionals: [given = ''] }) => {
  const { reason } = flags;
  if (reason === undefined || reason.trim() === '') {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'cli',
      message: 'a revocation needs its reason',
      hint: `caisson keys revoke ${given} --reason "laptop stolen"`,
    });
  }
  const trust = writableTrustFile(flags);
  const nowMs = Date.now();
  let done: Omit<Revoked, 'document'> = { name: given };
  trust.update(nowMs, (document) => {
    const { document: next, ...rest } = withRevoked(document, given, { reason, nowMs });
    done = rest;
    return next;
  });
  const { name, before } = done;
  return {
    exit: 0,
    document: { name, trust: trust.path, already: before !== undefined },
    text: `${name}  revoked\n`,
    notes:
      before === undefined
        ? ['none of its signatures counts any more, whenever it was made']
        : [`it was revoked at ${before.at} already: ${before.reason}`],
  };
};
