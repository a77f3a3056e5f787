/** API keys and tenants: who may ask for what. */
import * as z from 'zod/mini';
import { pageFields, pageOf } from './query.ts';
import { defineRoute } from './route.ts';
import { ROLE_NAMES, type Role, SCOPES } from './scope.ts';

const tag = 'access';
const roles = ROLE_NAMES as readonly [Role, ...Role[]];

const unixMs = (description: string) => z.int().check(z.describe(`${description}; Unix ms`));
const tenantName = z
  .string()
  .check(z.minLength(1), z.maxLength(64), z.describe('Name of the tenant'));
const ofTenant = {
  tenant: z
    .optional(tenantName)
    .check(z.describe('Of this tenant; default the caller’s own. Another one is for operators')),
};
const keyParam = z.strictObject({
  id: z.string().check(z.minLength(1), z.maxLength(64), z.describe('Id of the key')),
});
const tenantParam = z.strictObject({ id: tenantName });

/** What may be told of a key; never its secret. */
const keySchema = z.object({
  id: z.string().check(z.describe('Public part of the key')),
  tenant: tenantName,
  name: z.string().check(z.describe('What people call it; may be empty')),
  roles: z.array(z.string()).check(z.describe('Sets of scopes, by name')),
  scopes: z.array(z.string()).check(z.describe('Beside those of its roles')),
  state: z
    .enum(['valid', 'expired', 'revoked'])
    .check(z.describe('Whether it is good for anything')),
  createdMs: unixMs('When it was made'),
  createdBy: z.string().check(z.describe('Who made it')),
  expiresMs: z.optional(unixMs('When it ends')),
  rotatedMs: z.optional(unixMs('When it was given its secret')),
  overlapUntilMs: z.optional(unixMs('Until then the secret before is good, too')),
  lastUsedMs: z.optional(unixMs('When it was used last; may be half a minute old')),
  revoked: z
    .optional(
      z.object({
        atMs: unixMs('When'),
        by: z.string().check(z.describe('Who did it')),
        reason: z.string().check(z.describe('Why; may be empty')),
      }),
    )
    .check(z.describe('It was ended')),
});

/** Told once. */
const issuedKeySchema = z.object({
  key: keySchema,
  token: z.string().check(z.describe('The key itself. It is kept nowhere and not shown again')),
});

const tenantInfoSchema = z.object({
  id: tenantName,
  description: z.string().check(z.describe('For people; may be empty')),
  origin: z
    .enum(['configured', 'created'])
    .check(z.describe('configured: by the configuration of the service alone')),
  disabled: z.boolean().check(z.describe('Nobody of it is let in')),
  createdMs: z.optional(unixMs('When it was made')),
  createdBy: z.optional(z.string()).check(z.describe('Who made it')),
  disabledMs: z.optional(unixMs('When it was disabled')),
  settings: z
    .record(z.string(), z.unknown())
    .check(z.describe('What was set for it, beside what the configuration says')),
});

const tenantUseSchema = z.object({
  tenant: tenantInfoSchema,
  used: z
    .record(z.string(), z.number())
    .check(z.describe('How much it has of what its quotas name')),
});

const description = z.optional(z.string().check(z.maxLength(500))).check(z.describe('For people'));
const settings = z
  .optional(z.record(z.string(), z.unknown()))
  .check(
    z.describe(
      'As under `tenants` of the configuration: ceiling, quotas, rateLimits, workspaces, weight. Replaces what was set before',
    ),
  );

export const listKeys = defineRoute({
  id: 'listKeys',
  method: 'GET',
  path: '/api/access/keys',
  tag,
  summary: 'API keys, also those that have ended, by id',
  scope: 'access:read',
  query: z.strictObject({ ...pageFields, ...ofTenant }),
  answers: { 200: { description: 'A page of them', schema: pageOf(keySchema) } },
});

export const createKey = defineRoute({
  id: 'createKey',
  method: 'POST',
  path: '/api/access/keys',
  tag,
  summary: 'Make an API key',
  description:
    'Nobody hands on what they do not have. The answer holds the key, this once; so it takes no idempotency key: an answer that was lost is a key to be revoked.',
  scope: 'access:write',
  body: z.strictObject({
    name: z.optional(z.string().check(z.maxLength(128))).check(z.describe('What people call it')),
    roles: z
      .optional(z.array(z.enum(roles)).check(z.maxLength(roles.length)))
      .check(z.describe('Sets of scopes')),
    scopes: z
      .optional(z.array(z.enum(SCOPES)).check(z.maxLength(SCOPES.length)))
      .check(z.describe('Beside those of its roles')),
    expiresMs: z.optional(unixMs('When it ends; default: never')),
    ...ofTenant,
  }),
  answers: { 201: { description: 'It is made', schema: issuedKeySchema } },
  errors: ['NOT_FOUND', 'QUOTA_EXCEEDED', 'AUDIT_UNAVAILABLE'],
});

export const inspectKey = defineRoute({
  id: 'inspectKey',
  method: 'GET',
  path: '/api/access/keys/{id}',
  tag,
  summary: 'One API key',
  scope: 'access:read',
  params: keyParam,
  answers: { 200: { description: 'It', schema: keySchema } },
  errors: ['NOT_FOUND'],
});

export const rotateKey = defineRoute({
  id: 'rotateKey',
  method: 'POST',
  path: '/api/access/keys/{id}/rotate',
  tag,
  summary: 'Give an API key a new secret',
  description: 'For callers who could have made the key. The answer holds the key, this once.',
  scope: 'access:write',
  params: keyParam,
  body: z.strictObject({
    overlapMs: z
      .optional(z.int().check(z.gte(0), z.lte(90 * 24 * 3600_000)))
      .check(z.describe('The secret before is good for so long, too; default 24 hours')),
  }),
  bodyOptional: true,
  answers: { 200: { description: 'It has another secret', schema: issuedKeySchema } },
  errors: ['NOT_FOUND', 'CONFLICT', 'AUDIT_UNAVAILABLE'],
});

export const revokeKey = defineRoute({
  id: 'revokeKey',
  method: 'DELETE',
  path: '/api/access/keys/{id}',
  tag,
  summary: 'End an API key, at once and for good',
  scope: 'access:write',
  params: keyParam,
  query: z.strictObject({
    reason: z
      .optional(z.string().check(z.maxLength(500)))
      .check(z.describe('Why; stands in the list')),
  }),
  answers: { 200: { description: 'It is ended', schema: keySchema } },
  errors: ['NOT_FOUND'],
});

export const listTenants = defineRoute({
  id: 'listTenants',
  method: 'GET',
  path: '/api/access/tenants',
  tag,
  summary: 'Tenants, by name: for operators all, for others their own',
  scope: 'access:read',
  query: z.strictObject(pageFields),
  answers: { 200: { description: 'A page of them', schema: pageOf(tenantInfoSchema) } },
});

export const createTenant = defineRoute({
  id: 'createTenant',
  method: 'POST',
  path: '/api/access/tenants',
  tag,
  summary: 'Make a tenant; for operators',
  scope: 'access:write',
  body: z.strictObject({ id: tenantName, description, settings }),
  answers: { 201: { description: 'It is made', schema: tenantInfoSchema } },
  errors: ['CONFLICT', 'AUDIT_UNAVAILABLE'],
  idempotent: true,
});

export const inspectTenant = defineRoute({
  id: 'inspectTenant',
  method: 'GET',
  path: '/api/access/tenants/{id}',
  tag,
  summary: 'One tenant, and how much it has',
  scope: 'access:read',
  params: tenantParam,
  answers: { 200: { description: 'It', schema: tenantUseSchema } },
  errors: ['NOT_FOUND'],
});

export const changeTenant = defineRoute({
  id: 'changeTenant',
  method: 'PATCH',
  path: '/api/access/tenants/{id}',
  tag,
  summary: 'Change what a tenant may, or let nobody of it in; for operators',
  scope: 'access:write',
  params: tenantParam,
  body: z.strictObject({
    description,
    settings,
    disabled: z
      .optional(z.boolean())
      .check(z.describe('Nobody of it is let in; what runs goes on')),
  }),
  answers: { 200: { description: 'It is changed', schema: tenantInfoSchema } },
  errors: ['NOT_FOUND', 'AUDIT_UNAVAILABLE'],
});
