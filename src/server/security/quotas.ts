/**
 * How much a tenant may have at once. What is asked for is reserved before anything is made, in one step that nothing
 * comes between, so that two requests together get no more than one after the other.
 */
import { CaissonError } from '../../core/error.ts';
import type { PoolLimits } from '../../sandbox/manager/resources.ts';
import type { TenantConfig } from '../config/tenant-config.ts';
import { ExecutionRoom } from './execution-room.ts';

/** What is counted here. Processor time, memory and processes of sandboxes the manager's pool counts: `poolOf`. */
export type QuotaName = 'kept' | 'workspaceBytes' | 'modules' | 'policies' | 'waiting';
export type Amounts = Partial<Readonly<Record<QuotaName, number>>>;

const POOL_NAMES = [
  'concurrency',
  'cpuMillicores',
  'memoryBytes',
  'processes',
  'diskBytes',
] as const;

/** Of a tenant without a quota of its own (`quotas.concurrency`). */
const EXECUTIONS_AT_ONCE = 32;
/** Of a tenant without a quota of its own (`quotas.waiting`). */
const EXECUTIONS_WAITING = 2500;
/** Their code is held in memory meanwhile, and an analysis may take seconds. */
const REGISTRATIONS_WAITING = 100;

const WHAT: Readonly<Record<QuotaName, string>> = {
  kept: 'kept sandboxes',
  workspaceBytes: 'bytes of files',
  modules: 'versions of modules',
  policies: 'versions of policies',
  waiting: 'waiting requests',
};

export class Quotas {
  readonly #settings: (tenant: string) => TenantConfig;
  readonly #used = new Map<string, Map<QuotaName, number>>();
  /** Evaluations, executions of modules and scans: what runs outside of the manager's pool. */
  readonly executions: ExecutionRoom;
  /** Of modules: one at a time, so that the limit on looking at one counts from its turn on. */
  readonly registrations: ExecutionRoom;

  constructor(settings: (tenant: string) => TenantConfig) {
    this.#settings = settings;
    this.executions = new ExecutionRoom('executions', (tenant) => {
      const { concurrency, waiting } = settings(tenant).quotas ?? {};
      return {
        atOnce: concurrency ?? EXECUTIONS_AT_ONCE,
        waiting: waiting ?? EXECUTIONS_WAITING,
      };
    });
    this.registrations = new ExecutionRoom('registrations', (tenant) => ({
      atOnce: 1,
      waiting: settings(tenant).quotas?.waiting ?? REGISTRATIONS_WAITING,
    }));
  }

  /**
   * @returns what holds the amounts until it is released
   * @throws QUOTA_EXCEEDED with `details {quota, limit, used, asked}`; then nothing is reserved
   */
  reserve(tenant: string, amounts: Amounts): Lease {
    this.#check(tenant, {}, amounts);
    this.#add(tenant, amounts, 1);
    return new Lease(amounts, (before, after) => {
      this.#check(tenant, before, after);
      this.#add(tenant, before, -1);
      this.#add(tenant, after, 1);
    });
  }

  /** What a tenant has already, such as modules at the start of the service; counted even where it is too much. */
  seed(tenant: string, amounts: Amounts): void {
    this.#add(tenant, amounts, 1);
  }

  /** What was seeded, or reserved by a lease that nobody has any more, is gone. */
  giveBack(tenant: string, amounts: Amounts): void {
    this.#add(tenant, amounts, -1);
  }

  used(tenant: string): Readonly<Record<QuotaName, number>> {
    const used = this.#used.get(tenant);
    return {
      kept: used?.get('kept') ?? 0,
      workspaceBytes: used?.get('workspaceBytes') ?? 0,
      modules: used?.get('modules') ?? 0,
      policies: used?.get('policies') ?? 0,
      waiting: used?.get('waiting') ?? 0,
    };
  }

  /** For the manager's `perTenant`. */
  poolOf(tenant: string): PoolLimits {
    const { quotas = {} } = this.#settings(tenant);
    return Object.fromEntries(
      POOL_NAMES.flatMap((name) => (quotas[name] === undefined ? [] : [[name, quotas[name]]])),
    );
  }

  #check(tenant: string, before: Amounts, after: Amounts): void {
    const { quotas = {} } = this.#settings(tenant);
    for (const [name, asked = 0] of Object.entries(after) as [QuotaName, number][]) {
      if (!Number.isSafeInteger(asked) || asked < 0) throw new RangeError(`${name}: ${asked}`);
      const limit = quotas[name];
      const more = asked - (before[name] ?? 0);
      const used = this.#used.get(tenant)?.get(name) ?? 0;
      // A limit that was lowered takes nothing away, and what shrinks may always shrink.
      if (limit === undefined || more <= 0 || used + more <= limit) continue;
      throw new CaissonError('QUOTA_EXCEEDED', {
        layer: 'server',
        message: `${tenant} may have ${limit} ${WHAT[name]}; it has ${used} and asks for ${more} more`,
        hint: 'end or remove some, or ask the operator for more',
        details: { quota: name, limit, used, asked: more },
      });
    }
  }

  #add(tenant: string, amounts: Amounts, sign: 1 | -1): void {
    let used = this.#used.get(tenant);
    if (used === undefined) {
      used = new Map();
      this.#used.set(tenant, used);
    }
    for (const [name, amount = 0] of Object.entries(amounts) as [QuotaName, number][]) {
      const left = Math.max(0, (used.get(name) ?? 0) + sign * amount);
      if (left === 0) used.delete(name);
      else used.set(name, left);
    }
    if (used.size === 0) this.#used.delete(tenant);
  }
}

/** Holds amounts of a tenant's until it is released. */
export class Lease implements Disposable {
  readonly #change: (before: Amounts, after: Amounts) => void;
  #amounts: Amounts;
  #isReleased = false;

  constructor(amounts: Amounts, change: (before: Amounts, after: Amounts) => void) {
    this.#amounts = { ...amounts };
    this.#change = change;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  get amounts(): Amounts {
    return this.#amounts;
  }

  /**
   * Other amounts instead of these; what is not named stays.
   *
   * @throws QUOTA_EXCEEDED; then it holds what it held. SANDBOX_CLOSED once it is released
   */
  resize(amounts: Amounts): void {
    if (this.#isReleased) throw new CaissonError('SANDBOX_CLOSED', { layer: 'server' });
    const after = { ...this.#amounts, ...amounts };
    this.#change(this.#amounts, after);
    this.#amounts = after;
  }

  /** Idempotent. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#change(this.#amounts, {});
    this.#amounts = {};
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
