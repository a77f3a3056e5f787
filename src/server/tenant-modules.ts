/** The registries of the tenants, each in a database of its own; they end with their Caisson. */
import { join } from 'node:path';
import type { Caisson } from '../compose.ts';
import type { Modules } from '../modules/modules.ts';
import { digestPolicy } from '../policy/digest.ts';
import type { Policy } from '../policy/policy.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';
import type { Config } from './config/config.ts';
import { readPolicySetting } from './config/policy-setting.ts';
import type { Ceiling } from './security/ceiling.ts';
import type { Security } from './security/security.ts';
import type { WrittenPolicy } from './security/written-policies.ts';

/** A registry, and what it was opened under. */
interface Open {
  readonly ceiling: Ceiling;
  readonly digest: string;
  readonly registry: Modules;
}

export class TenantModules {
  readonly #caisson: Caisson;
  readonly #config: Config;
  readonly #directory: string;
  readonly #security: Security;
  readonly #open = new Map<string, Promise<Open>>();
  #written: Promise<WrittenPolicy> | undefined;

  constructor(caisson: Caisson, config: Config, state: string, security: Security) {
    this.#caisson = caisson;
    this.#security = security;
    this.#config = config;
    this.#directory = openStateDirectory(join(state, 'modules'));
  }

  /** @throws POLICY_BEYOND_CEILING where the tenant may not execute modules as the service does; STORE_UNUSABLE */
  async of(tenant: string): Promise<Modules> {
    const ceiling = this.#security.ceilings.of(tenant);
    const before = this.#open.get(tenant);
    const found = before === undefined ? undefined : await before;
    if (found?.ceiling === ceiling) return found.registry;
    // Somebody else may have seen the new ceiling first.
    if (before !== undefined && this.#open.get(tenant) !== before) return await this.of(tenant);
    const opening = this.#follow(tenant, ceiling, found);
    this.#open.set(tenant, opening);
    // Whoever asks next tries again.
    opening.catch(() => {
      if (before === undefined) this.#open.delete(tenant);
      else this.#open.set(tenant, before);
    });
    return (await opening).registry;
  }

  /** A ceiling that was changed holds for what is executed from now on. */
  async #follow(tenant: string, ceiling: Ceiling, before: Open | undefined): Promise<Open> {
    this.#written ??= readPolicySetting(this.#config.policy) as Promise<WrittenPolicy>;
    const policy = ceiling.admit(await this.#written);
    const digest = digestPolicy(policy);
    if (before?.digest === digest) return { ...before, ceiling };
    const registry = await this.#openFor(tenant, policy);
    if (before === undefined) {
      this.#security.quotas.seed(tenant, { modules: (await registry.list()).length });
    } else {
      await before.registry.close();
    }
    return { ceiling, digest, registry };
  }

  #openFor(tenant: string, policy: Policy): Promise<Modules> {
    return this.#caisson.modules({
      path: join(this.#directory, `${tenant}.db`),
      tenant,
      ceilings: this.#config.modules,
      policy,
    });
  }
}
