/** The ceiling of each tenant, made when it is first asked for, and again when its settings have changed. */
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import type { PolicyDocument } from '../../policy/document.ts';
import { levels } from '../../policy/levels.ts';
import { parsePolicy, policyFromDocument } from '../../policy/parse.ts';
import type { Policy } from '../../policy/policy.ts';
import { isLevel, levelPolicy, profilePolicy } from '../../policy/presets.ts';
import { isProfileName } from '../../policy/profiles.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import { Ceiling } from './ceiling.ts';
import { serviceCeiling } from './service-ceiling.ts';
import { WrittenPolicies } from './written-policies.ts';

/** `service`, a level, a profile, the absolute path of a policy file, or a document. */
export type WrittenCeiling = string | PolicyDocument;

export interface CeilingsOptions {
  readonly settings: (tenant: string) => TenantConfig;
  /** Of tenants that have none of their own; default `service`. */
  readonly ceiling?: WrittenCeiling;
  readonly accept?: readonly string[];
}

export class Ceilings {
  readonly #options: CeilingsOptions;
  readonly #written = new WrittenPolicies();
  readonly #ceilings = new Map<
    string,
    { readonly of: WrittenCeiling; readonly ceiling: Ceiling }
  >();

  constructor(options: CeilingsOptions) {
    this.#options = options;
  }

  /** @throws CONFIG_INVALID where it is none */
  of(tenant: string): Ceiling {
    const { settings, ceiling: fallback = 'service', accept = [] } = this.#options;
    const of = settings(tenant).ceiling ?? fallback;
    const known = this.#ceilings.get(tenant);
    if (known?.of === of) return known.ceiling;
    const ceiling = new Ceiling({
      who: `the tenant ${tenant}`,
      policy: ceilingPolicy(of),
      internalNetworks: of === 'service',
      accept,
      written: this.#written,
    });
    this.#ceilings.set(tenant, { of, ceiling });
    return ceiling;
  }
}

/**
 * @throws CONFIG_INVALID
 */
export function ceilingPolicy(written: WrittenCeiling): Policy {
  try {
    if (written === 'service') return serviceCeiling();
    if (typeof written !== 'string') return widened(policyFromDocument(written), written.walls);
    if (isLevel(written)) return widened(levelPolicy(written));
    if (isProfileName(written)) return widened(profilePolicy(written));
    if (isAbsolute(written)) {
      const policy = parsePolicy(readFileSync(written), { source: written });
      const usual = levels[policy.level].walls;
      return widened(policy, policy.walls.join() === usual.join() ? undefined : policy.walls);
    }
  } catch (cause) {
    throw wrong(written, cause);
  }
  throw wrong(written);
}

/** A level's own walls are what it takes first; as a ceiling it means whatever may stand at that level. */
function widened(policy: Policy, walls?: readonly string[]): Policy {
  if (walls !== undefined) return policy;
  return Object.freeze({ ...policy, walls: levels[policy.level].mayUse });
}

function wrong(written: WrittenCeiling, cause?: unknown): CaissonError {
  const shown = typeof written === 'string' ? JSON.stringify(written.slice(0, 200)) : 'a document';
  return new CaissonError('CONFIG_INVALID', {
    layer: 'server',
    message: `${shown} is no ceiling${cause instanceof Error ? `: ${cause.message}` : ''}`,
    hint: 'write service, a level, a profile, the absolute path of a policy file, or a policy',
    cause,
  });
}
