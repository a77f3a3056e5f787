/** Who asks, and on whose account. */
import type { Scope } from '../../api/scope.ts';
import { CaissonError } from '../../core/error.ts';
import type { Caller } from '../http/gatekeeper.ts';

export type { Caller };

export function requireScope({ scopes, subject }: Caller, scope: Scope): void {
  if (scopes.has(scope)) return;
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `${subject} may not do that`,
    hint: `it needs the scope ${scope}`,
    details: { scope },
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
