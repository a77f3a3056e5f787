/** From what a token claims to who asks: nothing of it counts that the configuration does not name. */
import type { JWTPayload } from 'jose';
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
  /** Claim that lists scopes of ours, in words or as a list; default: none does. */
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
  const scopes =
    rules.scopesClaim === undefined ? [] : wordsOf(claimAt(payload, rules.scopesClaim));
  return Object.freeze({
    tenant,
    subject: `token:${sub}`,
    scopes: scopesOf({ roles, scopes }),
    isOperator: isOperator({ roles }),
  });
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
