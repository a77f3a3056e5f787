/**
 * The pool of a manager: how large it is, how large each tenant's part, and who has room in it.
 */
import { CaissonError } from '../../core/error.ts';
import type { Policy } from '../../policy/policy.ts';
import { checkCount, checkPool, defaultPool, type ManagerOptions } from './manager-options.ts';
import { capacityOf, meet, needsOf, type Resources } from './resources.ts';
import { type Demand, Scheduler, type TenantLoad } from './scheduler.ts';

export interface PoolLoad {
  readonly running: number;
  readonly waiting: number;
  readonly used: Resources;
  /** Infinity where it is not bounded. */
  readonly capacity: Resources;
  readonly tenants: readonly TenantLoad[];
}

const QUEUE_TOTAL = 10_000;
const AGING_MS = 10_000;

export class Pool {
  readonly #perTenant: ManagerOptions['perTenant'];
  readonly #capacity: Resources;
  readonly #scheduler: Scheduler;

  /** @throws REQUEST_INVALID */
  constructor({ pool, perTenant, weight, queue, agingMs }: ManagerOptions) {
    this.#perTenant = perTenant;
    if (perTenant !== undefined && typeof perTenant !== 'function')
      checkPool(perTenant, 'perTenant');
    this.#capacity = capacityOf(checkPool({ ...defaultPool(), ...pool }, 'pool'));
    const queueTotal = checkCount('queue.total', queue?.total ?? QUEUE_TOTAL);
    const queuePerTenant = queue?.perTenant ?? Math.ceil(queueTotal / 4);
    this.#scheduler = new Scheduler({
      total: this.#capacity,
      perTenant: (tenant) => this.#capacityOf(tenant),
      weight: (tenant) => checkWeight(weight?.(tenant) ?? 1),
      queueTotal,
      queuePerTenant: checkCount('queue.perTenant', queuePerTenant),
      agingMs: checkCount('agingMs', agingMs ?? AGING_MS),
    });
  }

  /** What a request under this policy takes. */
  need(policy: Policy, tenant: string): Resources {
    return needsOf(policy, meet(this.#capacity, this.#capacityOf(tenant)));
  }

  /** @throws REQUEST_INVALID for what never fits, QUEUE_FULL */
  enqueue(demand: Demand): void {
    this.#scheduler.enqueue(demand);
  }

  /** Its place in the queue, or its room, is another's. Idempotent. */
  leave(id: string): void {
    this.#scheduler.withdraw(id);
    this.#scheduler.release(id);
  }

  /** Gives room to whoever can have it now. @returns their ids, in order */
  next(): string[] {
    return this.#scheduler.next();
  }

  load(): PoolLoad {
    const { running, waiting, used } = this.#scheduler;
    const tenants = this.#scheduler.tenants();
    return { running, waiting, used, capacity: this.#capacity, tenants };
  }

  #capacityOf(tenant: string): Resources {
    const limits =
      typeof this.#perTenant === 'function' ? this.#perTenant(tenant) : this.#perTenant;
    if (limits === undefined) return this.#capacity;
    return meet(this.#capacity, capacityOf(checkPool(limits, 'perTenant')));
  }
}

function checkWeight(weight: number): number {
  if (Number.isFinite(weight) && weight > 0) return weight;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `the weight ${weight} cannot be`,
    hint: 'give a number above 0',
  });
}
