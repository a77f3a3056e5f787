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
] as const;

export type Scope = (typeof SCOPES)[number];

const READS = SCOPES.filter((scope) => scope.endsWith(':read'));

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
  admin: SCOPES,
  operator: SCOPES,
} as const satisfies Record<string, readonly Scope[]>;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as readonly Role[];
