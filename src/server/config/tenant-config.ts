/**
 * What a tenant may, as the operator writes it.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { policyDocumentSchema } from '../../policy/document.ts';
import { LEVEL_NAMES } from '../../policy/levels.ts';
import { profiles } from '../../policy/profiles.ts';
import { suggest } from '../../policy/suggest.ts';
import { count, numeric, shortName, size } from './config-values.ts';

/** As a manager's own limits; `null`: that dimension is not bounded. */
export const poolSchema = z.strictObject({
  concurrency: count()
    .nullable()
    .exactOptional()
    .describe(
      'Sandboxes at once; of a tenant also evaluations, executions of modules and scans at once, by default 32.',
    ),
  cpuMillicores: count().nullable().exactOptional().describe('Thousandths of a core.'),
  memoryBytes: size().nullable().exactOptional().describe('Memory of all sandboxes together.'),
  processes: count().nullable().exactOptional().describe('Processes and threads.'),
  diskBytes: size().nullable().exactOptional().describe('Private scratch space.'),
});

const rateSchema = z.strictObject({
  perSecond: positive().describe('So many in the long run.'),
  burst: count().describe('So many at once.'),
});

/** A number above 0. */
function positive() {
  return numeric().pipe(
    z.number().positive('write a number above 0').max(1e6, 'write at most 1e6'),
  );
}

/** The ceiling that is built in: what a service gives to callers whom nobody looks at (security/service-ceiling.ts). */
export const SERVICE_CEILING = 'service';

const names = [...LEVEL_NAMES, ...Object.keys(profiles)];

function policySetting(more: readonly string[]) {
  const known = [...names, ...more];
  return z.union(
    [
      z.string().check((ctx) => {
        if (known.includes(ctx.value) || isAbsolute(ctx.value)) return;
        const near = suggest(ctx.value, known);
        ctx.issues.push({
          code: 'custom',
          input: ctx.value,
          message: `${JSON.stringify(ctx.value.slice(0, 80))} is no level, profile or absolute path`,
          params: { hint: near ? `did you mean ${near}?` : `one of ${known.join(', ')}` },
        });
      }),
      policyDocumentSchema,
    ],
    { error: 'write a level, a profile, the absolute path of a policy file, or a policy' },
  );
}

export const policySchema = policySetting([]);
export const ceilingSchema = policySetting([SERVICE_CEILING]);

export const tenantSchema = z.strictObject({
  ceiling: ceilingSchema
    .exactOptional()
    .describe('The most that a policy of its requests may allow. Default: the service’s own.'),
  quotas: z
    .strictObject({
      ...poolSchema.shape,
      waiting: count()
        .exactOptional()
        .describe(
          'Requests that wait for room. Evaluations and scans: by default 2500; registrations: 100.',
        ),
      kept: count().exactOptional().describe('Sandboxes that are kept between requests.'),
      workspaceBytes: size().exactOptional().describe('Uploaded files of all sandboxes together.'),
      outputBytes: size()
        .exactOptional()
        .describe(
          'What commands of kept sandboxes may write at once and have kept until they are answered; others wait. Default 4GiB.',
        ),
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
  weight: positive()
    .exactOptional()
    .describe('Share of the pool when several tenants wait. Default 1.'),
});

export type TenantConfig = z.output<typeof tenantSchema>;
