/** The audit log, as far as it tells of the caller’s tenant. */
import * as z from 'zod/mini';
import { pageFields, pageOf, wholeNumber } from './query.ts';
import { defineRoute } from './route.ts';

const tag = 'audit';

export const auditRecord = z.object({
  seq: z.int().check(z.describe('Counts over the whole log, of all tenants')),
  ts: z.string().check(z.describe('Unix time in nanoseconds')),
  event: z.string().check(z.describe('docs/audit.md')),
  run: z.optional(z.string()).check(z.describe('Audit id of the run, or id of the sandbox')),
  sandbox: z.optional(z.string()).check(z.describe('Sandbox that it happened in')),
  tenant: z.optional(z.string()).check(z.describe('On whose account')),
  policy: z.optional(z.string()).check(z.describe('Digest of the policy')),
  details: z.record(z.string(), z.unknown()).check(z.describe('By event')),
  hash: z.string().check(z.describe('SHA-256, over the record before too')),
});

const filters = {
  event: z
    .optional(z.string().check(z.maxLength(512)))
    .check(z.describe('Only these events, separated by commas')),
  run: z.optional(z.string().check(z.maxLength(128))).check(z.describe('Only this run or sandbox')),
};

export const queryAudit = defineRoute({
  id: 'queryAudit',
  method: 'GET',
  path: '/api/audit',
  tag,
  summary: 'Records of the tenant, oldest first',
  scope: 'audit:read',
  query: z.strictObject({
    ...filters,
    limit: pageFields.limit,
    after: z.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER, 'Records behind this one (`seq`)')),
    sinceMs: z.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER, 'Unix milliseconds, from then on')),
    untilMs: z.optional(wholeNumber(0, Number.MAX_SAFE_INTEGER, 'Unix milliseconds, before then')),
  }),
  answers: { 200: { description: 'A page', schema: pageOf(auditRecord) } },
  errors: ['AUDIT_UNAVAILABLE'],
});

export const streamAudit = defineRoute({
  id: 'streamAudit',
  method: 'GET',
  path: '/api/audit/stream',
  tag,
  summary: 'Records of the tenant as they are written, as server-sent events',
  description:
    'Event `begin` first, with the id to come back with; then `record`. With Last-Event-ID (a `seq`), what was missed comes first.',
  scope: 'audit:read',
  query: z.strictObject(filters),
  answers: { 200: { description: 'Events', content: 'text/event-stream' } },
  errors: ['AUDIT_UNAVAILABLE'],
});
