/** What a caller may do, and the roles that stand for sets of it. */
export const SCOPES = [
  'sandboxes:read',
  'sandboxes:write',
  'modules:read',
  'modules:write',
  'modules:execute',
  'policies:read',
  'policies:write',
  'admission:scan',
  'admission:sign',
  'trust:read',
  'trust:write',
  'audit:read',
  'statistics:read',
  'access:read',
  'access:write',
  'metrics:read',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Of every tenant together, so that no role of one tenant stands for it: operators have it, and keys that they gave it. */
export const FOR_ALL_TENANTS: readonly Scope[] = ['metrics:read'];

const OF_TENANT = SCOPES.filter((scope) => !FOR_ALL_TENANTS.includes(scope));
const READS = OF_TENANT.filter((scope) => scope.endsWith(':read'));

/** `operator`: every tenant; the others: their own. */
export const ROLES = {
  viewer: READS.filter((scope) => scope !== 'access:read'),
  executor: ['modules:read', 'modules:execute'],
  developer: [
    ...READS.filter((scope) => scope !== 'access:read'),
    'sandboxes:write',
    'modules:write',
    'modules:execute',
    'policies:write',
    'admission:scan',
  ],
  admin: OF_TENANT,
  operator: SCOPES,
} as const satisfies Record<string, readonly Scope[]>;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as readonly Role[];

/** The roles that have all of these. */
export function rolesWith(...scopes: readonly Scope[]): Role[] {
  return ROLE_NAMES.filter((role) =>
    scopes.every((scope) => (ROLES[role] as readonly Scope[]).includes(scope)),
  );
}
