/** The commands of `caisson access`: who may ask the service for what. */
import { ROLE_NAMES, SCOPES } from '../api/scope.ts';
import { parseDuration } from '../core/units.ts';
import { command } from './command.ts';

const stateFlag = {
  state: {
    value: 'DIR',
    completes: 'directory',
    summary: 'State directory of the service; default: service in the state directory of Caisson',
  },
} as const;

export const keysCreateFlags = {
  tenant: { value: 'NAME', summary: 'Whose it is; default: default' },
  name: { value: 'TEXT', summary: 'What people call it' },
  role: {
    short: 'r',
    value: 'ROLE',
    repeatable: true,
    choices: ROLE_NAMES,
    summary: ROLE_NAMES.join(', '),
  },
  scope: {
    value: 'SCOPE',
    repeatable: true,
    choices: SCOPES,
    summary: 'Beside those of its roles, such as modules:execute',
  },
  expires: {
    value: 'TIME',
    summary: 'When it ends: 2027-01-31, 2027-01-31T12:00:00Z, or 90d (from now); default: never',
  },
  ...stateFlag,
} as const;

export const keysListFlags = {
  tenant: { value: 'NAME', summary: 'Only of this tenant' },
  ...stateFlag,
} as const;

export const keysRotateFlags = {
  overlap: {
    value: 'TIME',
    check: parseOverlap,
    summary: 'The secret before is good for so long, too; 0: no longer; default: 24h',
  },
  ...stateFlag,
} as const;

/** Milliseconds. Elsewhere a duration of nothing is none. */
export function parseOverlap(text: string): number {
  return /^0+(?:ms|s|m|h|d)?$/.test(text) ? 0 : parseDuration(text);
}

export const keysRevokeFlags = {
  reason: { value: 'TEXT', summary: 'Why; stands in the list' },
  ...stateFlag,
} as const;

export const tenantsListFlags = stateFlag;

export const tenantsSetFlags = {
  description: { value: 'TEXT', summary: 'For people' },
  settings: {
    value: 'FILE',
    completes: 'file',
    summary: 'YAML or JSON, as under tenants of the configuration: ceiling, quotas, rateLimits …',
  },
  ...stateFlag,
} as const;

export const tenantsSwitchFlags = stateFlag;

const key = { name: 'KEY', summary: 'id of the key, as the list shows it' } as const;
const tenant = { name: 'NAME', summary: 'the tenant' } as const;

export const accessCommands = [
  command({
    name: 'access keys create',
    summary: 'Make an API key of the service; it is shown this once',
    description:
      'Works on the state directory of the service, whether it runs or not; where it runs, it knows of the key at once. What is kept of the key cannot be turned back into it.',
    flags: keysCreateFlags,
    examples: [
      'caisson access keys create --role operator --name "first key"',
      'caisson access keys create --tenant acme --scope modules:execute --expires 90d',
    ],
    load: () => import('./commands/access-keys-create.ts'),
  }),
  command({
    name: 'access keys list',
    summary: 'List the API keys, also those that have ended',
    flags: keysListFlags,
    load: () => import('./commands/access-keys-list.ts'),
  }),
  command({
    name: 'access keys rotate',
    summary: 'Give an API key a new secret; it is shown this once',
    flags: keysRotateFlags,
    positionals: [key],
    examples: ['caisson access keys rotate k3yk3yk3yk3yk3yk --overlap 1h'],
    load: () => import('./commands/access-keys-rotate.ts'),
  }),
  command({
    name: 'access keys revoke',
    summary: 'End an API key, at once and for good',
    flags: keysRevokeFlags,
    positionals: [key],
    examples: ['caisson access keys revoke k3yk3yk3yk3yk3yk --reason "laptop stolen"'],
    load: () => import('./commands/access-keys-revoke.ts'),
  }),
  command({
    name: 'access tenants create',
    summary: 'Make a tenant of the service',
    description:
      'Tenants that the configuration names are there without it; what is set here goes before what it says of them.',
    flags: tenantsSetFlags,
    positionals: [tenant],
    examples: ['caisson access tenants create acme --settings acme.yaml'],
    load: () => import('./commands/access-tenants-create.ts'),
  }),
  command({
    name: 'access tenants list',
    summary: 'List the tenants',
    flags: tenantsListFlags,
    load: () => import('./commands/access-tenants-list.ts'),
  }),
  command({
    name: 'access tenants set',
    summary: 'Change what a tenant may; --settings replaces what was set before as a whole',
    flags: tenantsSetFlags,
    positionals: [tenant],
    load: () => import('./commands/access-tenants-set.ts'),
  }),
  command({
    name: 'access tenants disable',
    summary: 'Let nobody of a tenant in any more; what runs goes on',
    flags: tenantsSwitchFlags,
    positionals: [tenant],
    load: () => import('./commands/access-tenants-disable.ts'),
  }),
  command({
    name: 'access tenants enable',
    summary: 'Let a tenant in again',
    flags: tenantsSwitchFlags,
    positionals: [tenant],
    load: () => import('./commands/access-tenants-enable.ts'),
  }),
];
