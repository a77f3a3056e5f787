/** Everything that decides who may what, from the configuration and the store of a service. */
import type { ServiceStore } from '../../store/service-store.ts';
import type { Config } from '../config/config.ts';
import { ApiKeys } from './api-keys.ts';
import { BearerTokens } from './bearer-tokens.ts';
import { Ceilings } from './ceilings.ts';
import { Gate } from './gate.ts';
import { KeyRegistry } from './key-registry.ts';
import { Quotas } from './quotas.ts';
import { RateLimits } from './rate-limits.ts';
import type { HashParameters } from './secret-hash.ts';
import { ServiceClock } from './service-clock.ts';
import { Tenants } from './tenants.ts';

export interface SecurityOptions {
  readonly config: Pick<
    Config,
    'listen' | 'auth' | 'tenants' | 'tenantDefaults' | 'ceiling' | 'accept' | 'telemetry'
  >;
  readonly store: ServiceStore;
  readonly clock?: ServiceClock;
  /** Of API keys; default: as costly as it should be. */
  readonly hashing?: HashParameters;
}

export interface Security extends AsyncDisposable {
  readonly gate: Gate;
  /** Keys as people look after them. */
  readonly keys: KeyRegistry;
  readonly tenants: Tenants;
  readonly quotas: Quotas;
  readonly rateLimits: RateLimits;
  readonly ceilings: Ceilings;
  /** Before the store is closed. */
  close(): Promise<void>;
}

/** @throws CONFIG_INVALID: a ceiling is none; STORE_UNUSABLE */
export async function openSecurity(options: SecurityOptions): Promise<Security> {
  const { config, store, clock = new ServiceClock(), hashing } = options;
  const { auth } = config;
  const steadyMs = () => clock.steadyMs();
  const revision = () => store.revision();
  const tenants = await Tenants.open({ store: store.tenants, revision, defaults: config, clock });
  const settings = (tenant: string) => tenants.settings(tenant);
  const apiKeys = new ApiKeys({
    store: store.keys,
    revision,
    clock,
    ...(hashing === undefined ? {} : { hashing }),
  });
  const rateLimits = new RateLimits(settings, steadyMs);
  const ceilings = new Ceilings({ settings, ceiling: config.ceiling, accept: config.accept });
  // What is wrong with a ceiling is told at the start, and not to the first request.
  const quotas = new Quotas(settings);
  for (const { id } of await tenants.list()) {
    ceilings.of(id);
    quotas.seed(id, { policies: await store.policies.count(id) });
  }
  const close = () => apiKeys.close();
  return {
    gate: new Gate({
      keys: auth.apiKeys ? apiKeys : undefined,
      tokens: auth.oidc.length > 0 ? new BearerTokens(auth.oidc, clock) : undefined,
      anonymous: auth.anonymous,
      onSocket: config.listen.socketPath !== undefined,
      openMetrics: config.telemetry.metrics === 'open',
      tenants,
      rateLimits,
    }),
    keys: new KeyRegistry(store.keys, { clock, hasher: apiKeys.hasher }),
    tenants,
    quotas,
    rateLimits,
    ceilings,
    close,
    [Symbol.asyncDispose]: close,
  };
}
