/** Who asks, and on whose account. */
import { CaissonError } from '../../core/error.ts';
import type { Caller } from '../http/gatekeeper.ts';

export type { Caller };

/** What counts for every tenant is for operators alone. @throws FORBIDDEN */
export function requireOperator({ isOperator, subject }: Caller): void {
  if (isOperator) return;
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `${subject} may not do that`,
    hint: 'it counts for every tenant: ask somebody with the role operator',
    details: { roles: ['operator'] },
  });
}

/**
 * The tenant that a request is about. Another tenant than one's own is there for operators alone; for others it is not
 * there at all, whether it exists or not.
 *
 * @throws NOT_FOUND
 */
export function tenantFor(caller: Caller, asked?: string): string {
  if (asked === undefined || asked === caller.tenant || caller.isOperator) {
    return asked ?? caller.tenant;
  }
  throw new CaissonError('NOT_FOUND', { layer: 'server', message: 'there is no such tenant' });
}
