/** What is done with a sandbox that is there: stopped, gone on with, copied, measured. */
import * as z from 'zod/mini';
import { usageSchema, violationSchema } from './outcome.ts';
import { idParam, pageFields, pageOf } from './query.ts';
import { defineRoute } from './route.ts';
import { managedFields, STARTING, sandboxSchema } from './sandboxes.ts';

const DAYS = 24 * 3600 * 1000;
const twinFields = {
  ...managedFields,
  idleTimeoutMs: z
    .optional(z.int().check(z.gte(1), z.lte(24 * DAYS)))
    .check(z.describe('So long without a request; then it is ended')),
};

const snapshotSchema = z.object({
  id: z.string().check(z.describe('Its id')),
  sandbox: z.string().check(z.describe('What it was taken of')),
  createdMs: z.number().check(z.describe('Unix milliseconds')),
  policyDigest: z.string().check(z.describe('Of the policy that sandboxes made from it have')),
});
export type WireSnapshot = z.infer<typeof snapshotSchema>;

const tag = 'sandboxes';
const GONE = ['NOT_FOUND', 'SANDBOX_CLOSED'] as const;
const read = { tag, scope: 'sandboxes:read', params: idParam, errors: GONE } as const;
const write = { tag, scope: 'sandboxes:write', params: idParam, errors: GONE } as const;
const COPYING = [
  ...STARTING.filter((code) => code !== 'PATH_MISSING'),
  'PATH_MISSING',
  'SANDBOX_CLOSED',
] as const;

export const pauseSandbox = defineRoute({
  ...write,
  id: 'pause',
  method: 'POST',
  path: '/api/sandboxes/{id}/pause',
  summary: 'Stop everything in it where it stands; its clocks go on',
  answers: { 200: { description: 'It stands still', schema: sandboxSchema } },
  errors: [...GONE, 'LAUNCHER_FAILED', 'LAUNCHER_GONE'],
});

export const resumeSandbox = defineRoute({
  ...write,
  id: 'resume',
  method: 'POST',
  path: '/api/sandboxes/{id}/resume',
  summary: 'Go on with what was paused',
  answers: { 200: { description: 'It goes on', schema: sandboxSchema } },
  errors: [...GONE, 'LAUNCHER_FAILED', 'LAUNCHER_GONE'],
});

export const forkSandbox = defineRoute({
  ...write,
  id: 'fork',
  method: 'POST',
  path: '/api/sandboxes/{id}/fork',
  summary: 'Another one like it, with a copy of the changes of its workspace',
  description:
    'Needs `workspace: overlay` in its policy. What is not said is as the other one has it; processes are not copied.',
  body: z.strictObject(twinFields),
  bodyOptional: true,
  answers: { 201: { description: 'It is there', schema: sandboxSchema } },
  errors: [...GONE, ...COPYING],
  idempotent: true,
  executes: true,
  long: true,
});

export const takeSnapshot = defineRoute({
  ...write,
  id: 'takeSnapshot',
  method: 'POST',
  path: '/api/sandboxes/{id}/snapshots',
  summary: 'Keep the changes of its workspace as they are now',
  description:
    'Needs `workspace: overlay` in its policy. Kept until it is discarded, or the service ends; counted as a kept sandbox.',
  answers: { 201: { description: 'It is taken', schema: snapshotSchema } },
  errors: [...GONE, 'QUOTA_EXCEEDED', 'LAUNCHER_FAILED', 'LAUNCHER_GONE'],
  idempotent: true,
  executes: true,
  long: true,
});

export const listSnapshots = defineRoute({
  id: 'listSnapshots',
  method: 'GET',
  path: '/api/snapshots',
  tag,
  summary: 'Snapshots that are kept, oldest first',
  scope: 'sandboxes:read',
  query: z.strictObject(pageFields),
  answers: { 200: { description: 'A page', schema: pageOf(snapshotSchema) } },
});

export const openSnapshot = defineRoute({
  ...write,
  id: 'openSnapshot',
  method: 'POST',
  path: '/api/snapshots/{id}/open',
  summary: 'Make a sandbox from it, like the one that it was taken of',
  body: z.strictObject(twinFields),
  bodyOptional: true,
  answers: { 201: { description: 'It is there', schema: sandboxSchema } },
  errors: ['NOT_FOUND', ...COPYING],
  idempotent: true,
  executes: true,
  long: true,
});

export const discardSnapshot = defineRoute({
  ...write,
  id: 'discardSnapshot',
  method: 'DELETE',
  path: '/api/snapshots/{id}',
  summary: 'Forget it; sandboxes that were made from it stay',
  answers: { 204: { description: 'It is gone' } },
  errors: ['NOT_FOUND'],
});

export const sandboxUsage = defineRoute({
  ...read,
  id: 'usage',
  method: 'GET',
  path: '/api/sandboxes/{id}/usage',
  summary: 'What it has used since it was made',
  answers: { 200: { description: 'Usage', schema: usageSchema } },
});

export const sandboxViolations = defineRoute({
  ...read,
  id: 'violations',
  method: 'GET',
  path: '/api/sandboxes/{id}/violations',
  summary: 'What was tried in it and refused, the last 256',
  answers: {
    200: {
      description: 'Oldest first',
      schema: z.object({
        items: z
          .array(
            z.object({
              atMs: z.number().check(z.describe('When it was told, Unix milliseconds')),
              run: z.optional(z.string()).check(z.describe('Audit id of the command')),
              ...violationSchema.shape,
            }),
          )
          .check(z.describe('What was refused')),
        dropped: z.int().check(z.describe('Earlier ones that are not kept')),
        before: z
          .optional(z.literal(true))
          .check(
            z.describe(
              'It is of a service that died: what was refused in it is in the audit log alone, GET /api/audit?event=violation&run= its `sandbox`',
            ),
          ),
      }),
    },
  },
  errors: ['NOT_FOUND'],
});
