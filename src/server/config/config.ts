/**
 * From what an operator wrote to the configuration that holds, or everything that is wrong with it.
 */
import { CaissonError } from '../../core/error.ts';
import { formatProblem, type Locate, type Problem } from '../../policy/problems.ts';
import { schemaProblems } from '../../policy/schema-problems.ts';
import { type Config, configSchema } from './config-schema.ts';
import type { TenantConfig } from './tenant-config.ts';

export type { Config, ConfigDocument } from './config-schema.ts';
export type { TenantConfig } from './tenant-config.ts';

/**
 * An object as a configuration file has it, with every default filled in.
 *
 * @throws CaissonError `CONFIG_INVALID`, with all problems in `details.problems`
 * @example parseConfig({ listen: { port: 0 } }).listen.host // '127.0.0.1'
 */
export function parseConfig(value: unknown, locate?: Locate): Config {
  const parsed = configSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    throw configInvalid(schemaProblems(configSchema, parsed.error.issues, locate));
  }
  return parsed.data;
}

/** What holds for a tenant: its own entry over the defaults, also where it has none. */
export function tenantConfig(
  config: Pick<Config, 'tenants' | 'tenantDefaults'>,
  tenant: string,
): TenantConfig {
  const own = Object.hasOwn(config.tenants, tenant) ? config.tenants[tenant] : undefined;
  const { tenantDefaults: base } = config;
  return {
    ...base,
    ...own,
    quotas: { ...base.quotas, ...own?.quotas },
    rateLimits: { ...base.rateLimits, ...own?.rateLimits },
  };
}

export function configInvalid(problems: readonly Problem[]): CaissonError {
  const lines = problems.map(formatProblem);
  const hint = problems.find(({ suggestion }) => suggestion !== undefined)?.suggestion;
  return new CaissonError('CONFIG_INVALID', {
    layer: 'server',
    message:
      lines.length === 1
        ? (lines[0] ?? '')
        : `the configuration is not valid:\n  ${lines.join('\n  ')}`,
    hint: hint ?? 'docs/deployment.md says what each key takes',
    details: { problems },
  });
}
