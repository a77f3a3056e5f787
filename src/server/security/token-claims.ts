/** From what a token claims to who asks: nothing of it counts that the configuration does not name. */
import type { JWTPayload } from 'jose';
import { FOR_ALL_TENANTS, type Scope } from '../../api/scope.ts';
import { CaissonError } from '../../core/error.ts';
import { TENANT_ID } from '../../store/tenant-record.ts';
import type { Caller } from './caller.ts';
import { isOperator, scopesOf } from './roles.ts';

export interface ClaimRules {
  /** Every token of the issuer is of this tenant, whatever it claims. */
  readonly tenant?: string | undefined;
  /** Claim that names the tenant; default `tenant`. */
  readonly tenantClaim?: string | undefined;
  /** Claim that lists roles; default `roles`. A dot leads into an object, but in a claim that is a URL. */
  readonly rolesClaim?: string | undefined;
  /** What the values of that claim stand for. */
  readonly roles?: Readonly<Record<string, string>> | undefined;
  /** Claim that lists scopes of ours, in words or as a list: they narrow what the roles allow. Default: none does. */
  readonly scopesClaim?: string | undefined;
}

const SUBJECT = /^[^\p{C}\u2028\u2029]{1,255}$/u;
const MOST_ROLES = 1000;

/** @throws FORBIDDEN: no tenant can be told from it; UNAUTHENTICATED: its subject is none */
export function callerOfClaims(payload: JWTPayload, rules: ClaimRules): Caller {
  const { sub } = payload;
  if (typeof sub !== 'string' || !SUBJECT.test(sub)) {
    throw new CaissonError('UNAUTHENTICATED', {
      layer: 'server',
      message: 'the subject of the token cannot be used',
    });
  }
  const tenant = rules.tenant ?? claimAt(payload, rules.tenantClaim ?? 'tenant');
  if (typeof tenant !== 'string' || !TENANT_ID.test(tenant)) {
    throw new CaissonError('FORBIDDEN', {
      layer: 'server',
      message: 'the token names no tenant',
      hint: `its claim ${rules.tenantClaim ?? 'tenant'} has to`,
    });
  }
  const named = rules.roles ?? {};
  const roles = wordsOf(claimAt(payload, rules.rolesClaim ?? 'roles')).flatMap((value) =>
    Object.hasOwn(named, value) ? [named[value] as string] : [],
  );
  return Object.freeze({
    tenant,
    subject: `token:${sub}`,
    scopes: scopesOfToken(roles, claimedScopes(payload, rules)),
    isOperator: isOperator({ roles }),
  });
}

/** Undefined where nothing of the token is about scopes; one that cannot be read names none. */
function claimedScopes(payload: JWTPayload, { scopesClaim }: ClaimRules) {
  const claim = scopesClaim === undefined ? undefined : claimAt(payload, scopesClaim);
  return claim === undefined ? undefined : wordsOf(claim);
}

/**
 * A scope says how much of what its user may a client was given (RFC 6749 section 3.3): with roles it narrows them, and
 * never adds to them. Without roles there is no user: what the token was given is what it may (client credentials), but
 * for what is of every tenant: that takes the role.
 */
function scopesOfToken(
  roles: readonly string[],
  scopes: readonly string[] | undefined,
): ReadonlySet<Scope> {
  if (scopes === undefined) return scopesOf({ roles, scopes: [] });
  const named = scopes.filter((scope) => !FOR_ALL_TENANTS.some((each) => each === scope));
  const given = scopesOf({ roles: [], scopes: roles.length === 0 ? named : scopes });
  return roles.length === 0 ? given : given.intersection(scopesOf({ roles, scopes: [] }));
}

/** Own properties alone. */
function claimAt(payload: JWTPayload, path: string): unknown {
  const names = path.includes('://') ? [path] : path.split('.');
  let value: unknown = payload;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

/** A list of texts, or one text of words (RFC 8693 section 4.2). */
function wordsOf(value: unknown): readonly string[] {
  const words = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return words.filter((each): each is string => typeof each === 'string').slice(0, MOST_ROLES);
}
