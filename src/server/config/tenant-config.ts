/**
 * What a tenant may, as the operator writes it.
 */
import { z } from 'zod';
import { policyDocumentSchema } from '../../policy/document.ts';
import { count, shortName, size } from './config-values.ts';

/** As a manager's own limits; `null`: that dimension is not bounded. */
export const poolSchema = z.strictObject({
  concurrency: count().nullable().exactOptional().describe('Sandboxes at once.'),
  cpuMillicores: count().nullable().exactOptional().describe('Thousandths of a core.'),
  memoryBytes: size().nullable().exactOptional().describe('Memory of all sandboxes together.'),
  processes: count().nullable().exactOptional().describe('Processes and threads.'),
  diskBytes: size().nullable().exactOptional().describe('Private scratch space.'),
});

const rateSchema = z.strictObject({
  perSecond: z.coerce
    .number({ error: 'write a number' })
    .positive('write a number above 0')
    .max(1e6)
    .describe('So many in the long run.'),
  burst: count().describe('So many at once.'),
});

export const ceilingSchema = z
  .union([z.string().min(1), policyDocumentSchema], {
    error: 'write a level, a profile, the path of a policy file, or a policy',
  })
  .describe(
    'The most that a policy of a request may allow: a level, a profile, the absolute path of a policy file, or a policy.',
  );

export const tenantSchema = z.strictObject({
  ceiling: ceilingSchema.exactOptional(),
  quotas: z
    .strictObject({
      ...poolSchema.shape,
      waiting: count().exactOptional().describe('Requests that wait for room.'),
      kept: count().exactOptional().describe('Sandboxes that are kept between requests.'),
      workspaceBytes: size().exactOptional().describe('Uploaded files of all sandboxes together.'),
      modules: count().exactOptional().describe('Versions of modules that are registered.'),
      policies: count().exactOptional().describe('Versions of policies that are stored.'),
      keys: count().exactOptional().describe('API keys that are valid.'),
    })
    .exactOptional()
    .describe('How much it may have. What is not said is bounded by the whole alone.'),
  rateLimits: z
    .strictObject({
      requests: rateSchema.exactOptional().describe('Requests of any kind.'),
      executions: rateSchema
        .exactOptional()
        .describe('Commands, evaluations and executions of modules, on top of `requests`.'),
    })
    .exactOptional()
    .describe('How often it may ask; what goes beyond is answered with 429.'),
  workspaces: z
    .array(shortName())
    .max(256)
    .exactOptional()
    .describe('Names of `workspaces` that its sandboxes may work on. Default: none.'),
  weight: z.coerce
    .number({ error: 'write a number' })
    .positive('write a number above 0')
    .max(1e6)
    .exactOptional()
    .describe('Share of the pool when several tenants wait. Default 1.'),
});

export type TenantConfig = z.output<typeof tenantSchema>;
