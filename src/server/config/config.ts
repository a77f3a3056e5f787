/**
 * From what an operator wrote to the configuration that holds, or everything that is wrong with it.
 */

import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { formatProblem, type Locate, type Problem } from '../../policy/problems.ts';
import { schemaProblems } from '../../policy/schema-problems.ts';
import { configProblems } from './config-problems.ts';
import { type Config, configSchema } from './config-schema.ts';
import type { TenantConfig } from './tenant-config.ts';

export { configProblems } from './config-problems.ts';
export type { Config, ConfigDocument } from './config-schema.ts';
export type { TenantConfig } from './tenant-config.ts';

/**
 * An object as a configuration file has it, with every default filled in.
 *
 * @throws CaissonError `CONFIG_INVALID`, with all problems in `details.problems`
 * @example parseConfig({ listen: { port: 0 } }).listen.host // '127.0.0.1'
 */
export function parseConfig(value: unknown, locate?: Locate): Config {
  const found = parsed(value, locate);
  const problems = 'problems' in found ? found.problems : configProblems(found.config, locate);
  if (problems.length > 0 || !('config' in found)) throw configInvalid(problems);
  return found.config;
}

/** Its values, each by itself: `configProblems` says what does not go together. */
export function parsed(
  value: unknown,
  locate?: Locate,
): { readonly config: Config } | { readonly problems: readonly Problem[] } {
  const { success, data, error } = safeParse(configSchema, value);
  if (success) return { config: data };
  return { problems: schemaProblems(configSchema, error.issues, { locate }) };
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
  // `--set listen.port` has said which key it is about.
  const lines = problems.map((each) =>
    formatProblem(each.source?.endsWith(` ${each.path}`) ? { ...each, path: '' } : each),
  );
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
