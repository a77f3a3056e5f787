/** Figures: what was found in code, and how full the service is. */
import * as z from 'zod/mini';
import { wholeNumber } from './query.ts';
import { defineRoute } from './route.ts';

const tag = 'statistics';
const count = (description: string) => z.number().check(z.describe(description));

export const threatStatistics = defineRoute({
  id: 'threatStatistics',
  method: 'GET',
  path: '/api/statistics/threats',
  tag,
  summary: 'What was found in the tenant’s code, by day, family and language',
  scope: 'statistics:read',
  query: z.strictObject({
    days: z.optional(wholeNumber(1, 36_500, 'So many days back, today included; default 30')),
  }),
  answers: {
    200: {
      description: 'Oldest first',
      schema: z.object({
        occurrences: z
          .array(
            z.object({
              day: z.string().check(z.describe('2026-01-31, UTC')),
              family: z.string().check(z.describe('Empty: what was looked at')),
              language: z.string().check(z.describe('Of the code')),
              files: count('In which it was found'),
              findings: count('That count'),
              refused: count('That were refused and had it'),
            }),
          )
          .check(z.describe('By day, family, language')),
      }),
    },
  },
  errors: ['STORE_UNUSABLE'],
});

const resources = z
  .record(z.string(), z.nullable(z.number()))
  .check(z.describe('By dimension; null: not bounded'));

export const poolStatistics = defineRoute({
  id: 'poolStatistics',
  method: 'GET',
  path: '/api/statistics/pool',
  tag,
  summary: 'How full the pool is, and what of it is the tenant’s',
  scope: 'statistics:read',
  answers: {
    200: {
      description: 'Now',
      schema: z.object({
        tenant: z
          .object({
            running: count('Runs and sandboxes that have room'),
            waiting: count('Requests that wait for it'),
            used: resources,
            capacity: resources,
          })
          .check(z.describe('The caller’s own')),
        quotas: z
          .record(z.string(), z.number())
          .check(z.describe('What of its quotas the tenant has taken')),
        total: z
          .optional(
            z.object({
              running: count('Of all tenants'),
              waiting: count('Of all tenants'),
              used: resources,
              capacity: resources,
            }),
          )
          .check(z.describe('For operators alone')),
      }),
    },
  },
});
