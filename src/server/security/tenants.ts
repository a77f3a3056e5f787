/** Tenants: which there are, what each may, and whether it is let in. Read again when somebody changes them. */

import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { TENANT_ID, type TenantRecord, type TenantStore } from '../../store/tenant-record.ts';
import { type Config, type TenantConfig, tenantConfig } from '../config/config.ts';
import { tenantSchema } from '../config/tenant-config.ts';
import { ServiceClock } from './service-clock.ts';

/** Is there always: of callers without credentials, and of the first key. */
export const DEFAULT_TENANT = 'default';

export interface TenantInfo {
  readonly id: string;
  readonly description: string;
  /** `configured`: by the configuration file alone. */
  readonly origin: 'configured' | 'created';
  readonly disabled: boolean;
  readonly createdMs?: number;
  readonly createdBy?: string;
  readonly disabledMs?: number;
  /** What was set for it, beside what the configuration says. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export type TenantDefaults = Pick<Config, 'tenants' | 'tenantDefaults'>;

/** As under `tenants` of the configuration. */
export type TenantSettings = TenantRecord['settings'];

export class Tenants {
  readonly #store: TenantStore;
  readonly #revision: () => number;
  readonly #defaults: TenantDefaults;
  readonly #clock: ServiceClock;
  #known: ReadonlyMap<string, TenantRecord> = new Map();
  readonly #settings = new Map<string, TenantConfig>();
  #seenRevision = -1;

  private constructor(options: TenantsOptions) {
    this.#store = options.store;
    this.#revision = options.revision;
    this.#defaults = options.defaults;
    this.#clock = options.clock ?? new ServiceClock();
  }

  static async open(options: TenantsOptions): Promise<Tenants> {
    const tenants = new Tenants(options);
    await tenants.follow();
    return tenants;
  }

  /** Reads again what was changed since; before each request that is let in. Nothing to do takes microseconds. */
  follow(): void | Promise<void> {
    if (this.#revision() === this.#seenRevision) return;
    return this.#read();
  }

  async #read(): Promise<void> {
    const revision = this.#revision();
    const records = await this.#store.list();
    this.#known = new Map(records.map((record) => [record.id, record]));
    this.#settings.clear();
    this.#seenRevision = revision;
  }

  exists(id: string): boolean {
    return (
      id === DEFAULT_TENANT || this.#known.has(id) || Object.hasOwn(this.#defaults.tenants, id)
    );
  }

  /** Lets somebody of that tenant in. @throws FORBIDDEN: it is not there, or disabled */
  require(id: string): void {
    const disabled = this.#known.get(id)?.disabledMs !== undefined;
    if (!disabled && this.exists(id)) return;
    throw new CaissonError('FORBIDDEN', {
      layer: 'server',
      message: disabled ? `the tenant ${id} is disabled` : 'there is no such tenant',
      hint: disabled
        ? `an operator enables it (caisson access tenants enable ${id})`
        : 'an operator creates it (caisson access tenants create NAME)',
      details: { tenant: id },
    });
  }

  /**
   * What holds for it: what was set, over its own entry in the configuration, over the defaults.
   *
   * @throws CONFIG_INVALID where what was set cannot be understood: nothing is let through on a guess
   */
  settings(id: string): TenantConfig {
    let settings = this.#settings.get(id);
    if (settings === undefined) {
      const base = tenantConfig(this.#defaults, id);
      const own = parseTenantSettings(this.#known.get(id)?.settings ?? {}, 'CONFIG_INVALID');
      settings = {
        ...base,
        ...own,
        quotas: { ...base.quotas, ...own.quotas },
        rateLimits: { ...base.rateLimits, ...own.rateLimits },
      };
      this.#settings.set(id, settings);
    }
    return settings;
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<TenantInfo> {
    await this.follow();
    if (!this.exists(id)) throw notFound(id);
    return infoOf(id, this.#known.get(id));
  }

  /** By id. */
  async list(): Promise<TenantInfo[]> {
    await this.follow();
    const ids = new Set([
      DEFAULT_TENANT,
      ...this.#known.keys(),
      ...Object.keys(this.#defaults.tenants),
    ]);
    return [...ids].sort().map((id) => infoOf(id, this.#known.get(id)));
  }

  /** @throws REQUEST_INVALID, CONFLICT: it is there already */
  async create(wanted: {
    readonly id: string;
    readonly description?: string;
    readonly settings?: TenantSettings;
    readonly by: string;
  }): Promise<TenantInfo> {
    const { id } = wanted;
    if (!TENANT_ID.test(id)) throw wrongName(id);
    await this.follow();
    const added = !this.exists(id) && (await this.#store.add(this.#record(wanted)));
    if (!added) {
      throw new CaissonError('CONFLICT', {
        layer: 'server',
        message: `there is a tenant ${id} already`,
        hint: 'choose another name, or update that one',
      });
    }
    return await this.get(id);
  }

  /**
   * @param change what is not named stays; `settings` is replaced whole
   * @throws NOT_FOUND, REQUEST_INVALID
   */
  async update(
    id: string,
    change: {
      readonly description?: string;
      readonly settings?: TenantSettings;
      readonly disabled?: boolean;
      readonly by: string;
    },
  ): Promise<TenantInfo> {
    await this.follow();
    if (!this.exists(id)) throw notFound(id);
    const wanted = this.#record({ id, ...change });
    // One that the configuration names has no record until something of it is changed.
    await this.#store.add(this.#record({ id, by: change.by }));
    await this.#store.update(id, (record) => {
      const { disabledMs, ...rest } = record;
      const disabled = change.disabled ?? disabledMs !== undefined;
      return {
        ...rest,
        ...(change.description === undefined ? {} : { description: wanted.description }),
        ...(change.settings === undefined ? {} : { settings: wanted.settings }),
        ...(disabled ? { disabledMs: disabledMs ?? this.#clock.nowMs() } : {}),
      };
    });
    return await this.get(id);
  }

  #record({
    id,
    description = '',
    settings = {},
    by,
  }: {
    readonly id: string;
    readonly description?: string;
    readonly settings?: TenantSettings;
    readonly by: string;
  }): TenantRecord {
    if (description.length > 500 || /\p{C}/u.test(description)) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'server',
        message: 'the description cannot be kept',
        hint: 'write at most 500 printable characters',
      });
    }
    parseTenantSettings(settings, 'REQUEST_INVALID');
    return { id, description, createdMs: this.#clock.nowMs(), createdBy: by, settings };
  }
}

export interface TenantsOptions {
  readonly store: TenantStore;
  /** Another number whenever something was changed; see `ServiceStore`. */
  readonly revision: () => number;
  readonly defaults: TenantDefaults;
  readonly clock?: ServiceClock;
}

function infoOf(id: string, record: TenantRecord | undefined): TenantInfo {
  if (record === undefined) {
    return { id, description: '', origin: 'configured', disabled: false, settings: {} };
  }
  const { description, createdMs, createdBy, disabledMs, settings } = record;
  return {
    id,
    description,
    origin: 'created',
    disabled: disabledMs !== undefined,
    createdMs,
    createdBy,
    ...(disabledMs === undefined ? {} : { disabledMs }),
    settings,
  };
}

function parseTenantSettings(
  settings: unknown,
  code: 'CONFIG_INVALID' | 'REQUEST_INVALID',
): TenantConfig {
  const parsed = safeParse(tenantSchema, settings);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => ({
    path: path.join('.'),
    message,
  }));
  throw new CaissonError(code, {
    layer: 'server',
    message: `settings of a tenant: ${problems[0]?.path}: ${problems[0]?.message}`,
    hint: 'they are written as under `tenants` of the configuration',
    details: { problems },
  });
}

function notFound(id: string): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'server',
    message: `there is no tenant ${JSON.stringify(id.slice(0, 80))}`,
    hint: 'the list of tenants shows which there are (caisson access tenants list)',
  });
}

function wrongName(id: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `${JSON.stringify(id.slice(0, 80))} cannot name a tenant`,
    hint: 'write 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning and ending with a letter or digit, without `..`',
  });
}
