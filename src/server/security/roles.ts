/** What roles and scopes come to, and who may hand them on. */
import { ROLES, type Role, rolesWith, SCOPES, type Scope } from '../../api/scope.ts';
import { CaissonError } from '../../core/error.ts';
import type { Caller } from './caller.ts';

/** What somebody was given: roles by name, and scopes beside them. */
export interface Grant {
  readonly roles: readonly string[];
  readonly scopes: readonly string[];
}

function isRole(name: string): name is Role {
  return Object.hasOwn(ROLES, name);
}

function isScope(name: string): name is Scope {
  return (SCOPES as readonly string[]).includes(name);
}

/** A role or scope that this version does not know stands for nothing. */
export function scopesOf({ roles, scopes }: Grant): ReadonlySet<Scope> {
  return new Set<Scope>([
    ...roles.filter(isRole).flatMap((role): readonly Scope[] => ROLES[role]),
    ...scopes.filter(isScope),
  ]);
}

export function isOperator({ roles }: Pick<Grant, 'roles'>): boolean {
  return roles.includes('operator');
}

/** @throws REQUEST_INVALID for a name that is none, or where there is none at all */
export function checkGrant({ roles, scopes }: Grant): void {
  const unknown = roles.find((name) => !isRole(name)) ?? scopes.find((name) => !isScope(name));
  if (unknown !== undefined) {
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'server',
      message: `${JSON.stringify(unknown)} is neither a role nor a scope`,
      hint: `roles: ${Object.keys(ROLES).join(', ')}; scopes: ${SCOPES.join(', ')}`,
    });
  }
  if (roles.length + scopes.length > 0) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: 'a key without a role and without a scope could do nothing',
    hint: `give it a role (${Object.keys(ROLES).join(', ')}) or scopes`,
  });
}

/**
 * Nobody hands on what they do not have.
 *
 * @throws FORBIDDEN
 */
export function requireGrantable(caller: Caller, grant: Grant): void {
  const missing = [...scopesOf(grant)].filter((scope) => !caller.scopes.has(scope));
  const beyond = isOperator(grant) && !caller.isOperator;
  if (missing.length === 0 && !beyond) return;
  const roles = beyond ? ['operator'] : rolesWith('access:write', ...missing);
  throw new CaissonError('FORBIDDEN', {
    layer: 'server',
    message: `${caller.subject} may not hand on what it does not have: ${beyond ? 'operator' : missing.join(', ')}`,
    hint: `ask for less, or let somebody do it with the role ${roles.join(' or ')}`,
    details: { missing: beyond ? ['operator'] : missing, roles },
  });
}
