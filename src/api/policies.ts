/** Policies that a tenant keeps by name, and what can be asked of any policy. */
import * as z from 'zod/mini';
import { policyInput } from './policy-input.ts';
import { pageFields, pageOf, wholeNumber } from './query.ts';
import { defineRoute } from './route.ts';

const tag = 'policies';

const policyName = z.string().check(
  z.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, {
    error: 'write 1 to 64 of a–z, 0–9, `.`, `_` and `-`, a letter or digit first',
  }),
  z.describe('Its name; requests use it as NAME or NAME@VERSION'),
);

const nameParam = z.strictObject({ name: policyName });
const document = z
  .record(z.string(), z.unknown())
  .check(z.describe('As in a policy file: docs/policy.md'));

const storedPolicy = z.object({
  name: policyName,
  version: z.int().check(z.describe('From 1; what is stored under it never changes')),
  digest: z.string().check(z.describe('Of the normalised policy')),
  document,
  createdMs: z.number().check(z.describe('Unix milliseconds')),
  createdBy: z.string().check(z.describe('Who stored it')),
});

const problems = z
  .array(
    z.looseObject({
      path: z.string().check(z.describe('Where in the document')),
      message: z.string().check(z.describe('What is wrong')),
      suggestion: z.optional(z.string()).check(z.describe('What was meant, perhaps')),
    }),
  )
  .check(z.describe('Empty: it is valid'));

export const listPolicies = defineRoute({
  id: 'listPolicies',
  method: 'GET',
  path: '/api/policies',
  tag,
  summary: 'The latest version of each, by name',
  scope: 'policies:read',
  query: z.strictObject(pageFields),
  answers: { 200: { description: 'A page', schema: pageOf(storedPolicy) } },
  errors: ['STORE_UNUSABLE'],
});

export const readPolicy = defineRoute({
  id: 'readPolicy',
  method: 'GET',
  path: '/api/policies/{name}',
  tag,
  summary: 'One of them',
  description: 'Its ETag, sent back as If-Match, makes sure that a change is of this version.',
  scope: 'policies:read',
  params: nameParam,
  query: z.strictObject({
    version: z.optional(wholeNumber(1, 1e9, 'Default: the latest')),
  }),
  answers: { 200: { description: 'As it was stored', schema: storedPolicy } },
  errors: ['POLICY_NOT_FOUND', 'STORE_UNUSABLE'],
});

export const policyVersions = defineRoute({
  id: 'policyVersions',
  method: 'GET',
  path: '/api/policies/{name}/versions',
  tag,
  summary: 'All versions, newest first',
  scope: 'policies:read',
  params: nameParam,
  query: z.strictObject({
    limit: pageFields.limit,
    before: z.optional(wholeNumber(1, 1e9, 'Versions below this one')),
  }),
  answers: { 200: { description: 'A page', schema: pageOf(storedPolicy) } },
  errors: ['POLICY_NOT_FOUND', 'STORE_UNUSABLE'],
});

export const storePolicy = defineRoute({
  id: 'storePolicy',
  method: 'PUT',
  path: '/api/policies/{name}',
  tag,
  summary: 'Store a new version',
  description:
    'It must be within the tenant’s ceiling. If-Match: the version that is there (its ETag); If-None-Match: *: there must be none.',
  scope: 'policies:write',
  params: nameParam,
  body: document,
  answers: {
    201: { description: 'A new version', schema: storedPolicy },
    200: { description: 'The latest is the same already', schema: storedPolicy },
  },
  errors: [
    'POLICY_INVALID',
    'POLICY_TOO_LARGE',
    'POLICY_BEYOND_CEILING',
    'PRECONDITION_FAILED',
    'QUOTA_EXCEEDED',
    'STORE_UNUSABLE',
  ],
});

export const removePolicy = defineRoute({
  id: 'removePolicy',
  method: 'DELETE',
  path: '/api/policies/{name}',
  tag,
  summary: 'Forget all versions',
  scope: 'policies:write',
  params: nameParam,
  answers: { 204: { description: 'It is gone' } },
  errors: ['POLICY_NOT_FOUND', 'PRECONDITION_FAILED', 'STORE_UNUSABLE'],
});

export const validatePolicy = defineRoute({
  id: 'validatePolicy',
  method: 'POST',
  path: '/api/policies/validate',
  tag,
  summary: 'Whether a policy is one, and whether this tenant may use it',
  scope: 'policies:read',
  body: z.strictObject({ policy: policyInput }),
  answers: {
    200: {
      description: 'What is to be said of it',
      schema: z.object({
        valid: z.boolean().check(z.describe('It is a policy')),
        allowed: z.boolean().check(z.describe('And within the ceiling')),
        digest: z.optional(z.string()).check(z.describe('Of the normalised policy')),
        level: z.optional(z.string()).check(z.describe('Its level')),
        document: z
          .optional(document)
          .check(z.describe('What it says once nothing is left to a default, or to the ceiling')),
        problems,
        witness: z
          .optional(z.string())
          .check(z.describe('What it allows and the ceiling does not')),
      }),
    },
  },
  errors: ['POLICY_NOT_FOUND', 'POLICY_TOO_LARGE'],
});

export const explainPolicy = defineRoute({
  id: 'explainPolicy',
  method: 'POST',
  path: '/api/policies/explain',
  tag,
  summary: 'What enforces each clause on this host, and what nothing does',
  scope: 'policies:read',
  body: z.strictObject({ policy: z.optional(policyInput) }),
  answers: {
    200: {
      description: 'As caisson explain --json',
      schema: z.record(z.string(), z.unknown()),
    },
  },
  errors: [
    'POLICY_INVALID',
    'POLICY_NOT_FOUND',
    'POLICY_TOO_LARGE',
    'POLICY_BEYOND_CEILING',
    'WALL_UNAVAILABLE',
    'LAUNCHER_FAILED',
    'LAUNCHER_GONE',
  ],
});

export const comparePolicies = defineRoute({
  id: 'comparePolicies',
  method: 'POST',
  path: '/api/policies/diff',
  tag,
  summary: 'What one policy allows and another does not',
  scope: 'policies:read',
  body: z.strictObject({ first: policyInput, second: policyInput }),
  answers: {
    200: {
      description: 'In sentences',
      schema: z.object({
        onlyFirst: z.array(z.string()).check(z.describe('What the first alone allows')),
        onlySecond: z.array(z.string()).check(z.describe('What the second alone allows')),
        other: z
          .array(z.string())
          .check(z.describe('Differences that allow neither more nor less')),
      }),
    },
  },
  errors: ['POLICY_INVALID', 'POLICY_NOT_FOUND', 'POLICY_TOO_LARGE', 'POLICY_BEYOND_CEILING'],
});
