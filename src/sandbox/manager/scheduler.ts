/**
 * Who is given room in the pool next. Pure: no clock, no processes; the time comes with each request.
 *
 * - Never more than the pool, nor than a tenant's part of it.
 * - Between tenants: the one that uses least goes next (its dominant share over its weight; among equals, the one that was
 *   given least so far). What a tenant did before it had nothing to do with counts neither for nor against it.
 * - Within a tenant: by priority and age, strictly (waiting-line.ts).
 * - A request that is next, does not fit and would be passed is owed its room: from then on only such requests start beside
 *   it as leave its room free once everything has ended that ran then. So a large one waits for what runs, never for what
 *   comes. A request that only its tenant's own part has no room for holds up nobody else.
 * - The queue is bounded, in total and for each tenant, so that one tenant's flood leaves places for the others.
 */
import { queueFull, quoteTenant, tooLarge } from './queue-refusals.ts';
import { add, dominantShare, excess, NOTHING, type Resources, subtract } from './resources.ts';
import { type Waiting, WaitingLine } from './waiting-line.ts';

export interface SchedulerOptions {
  readonly total: Resources;
  /** Default: all of the pool. */
  readonly perTenant?: (tenant: string) => Resources;
  /** Relative share of a tenant; default 1. */
  readonly weight?: (tenant: string) => number;
  readonly queueTotal: number;
  readonly queuePerTenant: number;
  /** So much waiting is worth a step of priority, ms. */
  readonly agingMs: number;
}

export interface Demand {
  readonly id: string;
  readonly tenant: string;
  readonly priority: number;
  readonly need: Resources;
  /** Monotonic, ms. */
  readonly nowMs: number;
}

interface Entry extends Waiting {
  readonly tenant: Tenant;
  readonly need: Resources;
}

interface Tenant {
  readonly name: string;
  readonly limit: Resources;
  readonly weight: number;
  readonly line: WaitingLine<Entry>;
  used: Resources;
  running: number;
  /** Shares given so far, over the weight: stride scheduling's pass. */
  given: number;
}

interface Holding {
  readonly tenant: Tenant;
  readonly need: Resources;
  /** It was started beside the request that is owed room now. */
  readonly beside: Entry | undefined;
}

/** So many idle tenants are remembered while others wait. */
const IDLE_MAX = 1000;

export interface TenantLoad {
  readonly tenant: string;
  readonly running: number;
  readonly waiting: number;
  readonly used: Resources;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #tenants = new Map<string, Tenant>();
  readonly #waiting = new Map<string, Entry>();
  readonly #holding = new Map<string, Holding>();
  /** Tenants that had nothing running and nothing waiting when last looked at. */
  readonly #idle = new Set<Tenant>();
  #used: Resources = NOTHING;
  #order = 0;
  /** The request that is owed room, and what was started beside it since. */
  #owed: Entry | undefined;
  #beside: Resources = NOTHING;
  /** How far the tenants have come that have something to do: where one starts that comes anew. */
  #given = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  get used(): Resources {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#holding.size;
  }

  /** @throws REQUEST_INVALID for what never fits, QUEUE_FULL */
  enqueue(demand: Demand): void {
    const { total, queueTotal, queuePerTenant } = this.#options;
    const limit = this.#tenants.get(demand.tenant)?.limit ?? this.#limitOf(demand.tenant);
    const never = excess(demand.need, total);
    if (never !== undefined) throw tooLarge(demand, never, total, 'the whole pool');
    const neverHere = excess(demand.need, limit);
    if (neverHere !== undefined) throw tooLarge(demand, neverHere, limit, 'its tenant’s part');
    if (this.#waiting.size >= queueTotal) throw queueFull('the queue', queueTotal);
    const tenant = this.#tenant(demand.tenant);
    if (tenant.line.length >= queuePerTenant) {
      throw queueFull(`the queue of the tenant ${quoteTenant(tenant.name)}`, queuePerTenant);
    }
    const { id, priority, need, nowMs } = demand;
    const entry = { id, priority, need, tenant, enqueuedMs: nowMs, order: this.#order++ };
    if (tenant.line.length === 0 && tenant.running === 0) {
      tenant.given = Math.max(tenant.given, this.#given);
    }
    tenant.line.add(entry);
    this.#waiting.set(id, entry);
  }

  /** Gives room to whoever can have it now. @returns their ids, in order */
  next(): string[] {
    const started: string[] = [];
    for (;;) {
      const entry = this.#choose();
      if (entry === undefined) {
        this.#forgetIdle();
        return started;
      }
      this.#start(entry);
      started.push(entry.id);
    }
  }

  /** A request that does not want any more. @returns whether it was waiting */
  withdraw(id: string): boolean {
    const entry = this.#waiting.get(id);
    if (entry === undefined) return false;
    this.#waiting.delete(id);
    entry.tenant.line.remove(entry);
    if (this.#owed === entry) this.#owe(undefined);
    this.#forget(entry.tenant);
    return true;
  }

  /** Its room is free again. Idempotent. */
  release(id: string): void {
    const held = this.#holding.get(id);
    if (held === undefined) return;
    this.#holding.delete(id);
    this.#used = subtract(this.#used, held.need);
    held.tenant.used = subtract(held.tenant.used, held.need);
    held.tenant.running--;
    if (held.beside !== undefined && held.beside === this.#owed) {
      this.#beside = subtract(this.#beside, held.need);
    }
    this.#forget(held.tenant);
  }

  tenants(): TenantLoad[] {
    return [...this.#tenants.values()].map(({ name, running, line, used }) => ({
      tenant: name,
      running,
      waiting: line.length,
      used,
    }));
  }

  #choose(): Entry | undefined {
    const { total } = this.#options;
    const free = subtract(total, this.#used);
    const owed = this.#owed;
    if (owed !== undefined) {
      if (owed.tenant.line.head !== owed || !this.#hasOwnRoom(owed)) {
        // Another one of its tenant goes before it now, or its tenant's part was filled.
        this.#owe(undefined);
      } else if (excess(owed.need, free) === undefined) {
        return owed;
      }
    }
    const heads = [...this.#tenants.values()]
      .filter(({ line }) => line.head !== undefined)
      .sort((a, b) => this.#share(a) - this.#share(b) || a.given - b.given || byOrder(a, b));
    let passed: Entry | undefined;
    for (const { line } of heads) {
      const entry = line.head as Entry;
      if (entry === this.#owed || !this.#hasOwnRoom(entry)) continue;
      if (excess(entry.need, free) !== undefined) {
        passed ??= entry;
        continue;
      }
      if (this.#owed === undefined && passed !== undefined) this.#owe(passed);
      if (this.#leavesOwedRoom(entry)) return entry;
    }
    return undefined;
  }

  #start(entry: Entry): void {
    const { tenant, need, id } = entry;
    const { total } = this.#options;
    if (this.#owed === entry) this.#owe(undefined);
    tenant.line.remove(entry);
    this.#waiting.delete(id);
    this.#holding.set(id, { tenant, need, beside: this.#owed });
    if (this.#owed !== undefined) this.#beside = add(this.#beside, need);
    this.#used = add(this.#used, need);
    tenant.used = add(tenant.used, need);
    tenant.running++;
    this.#given = Math.max(this.#given, tenant.given);
    tenant.given += dominantShare(need, total) / tenant.weight;
  }

  #owe(entry: Entry | undefined): void {
    this.#owed = entry;
    this.#beside = NOTHING;
  }

  #leavesOwedRoom(entry: Entry): boolean {
    if (this.#owed === undefined) return true;
    const left = subtract(this.#options.total, add(this.#beside, entry.need));
    return excess(this.#owed.need, left) === undefined;
  }

  #hasOwnRoom({ tenant, need }: Entry): boolean {
    return excess(need, subtract(tenant.limit, tenant.used)) === undefined;
  }

  #share({ used, weight }: Tenant): number {
    return dominantShare(used, this.#options.total) / weight;
  }

  #tenant(name: string): Tenant {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = {
        name,
        limit: this.#limitOf(name),
        weight: this.#options.weight?.(name) ?? 1,
        line: new WaitingLine(this.#options.agingMs),
        used: NOTHING,
        running: 0,
        given: this.#given,
      };
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }

  #limitOf(tenant: string): Resources {
    return this.#options.perTenant?.(tenant) ?? this.#options.total;
  }

  /** What an idle tenant was given counts only while others wait; names are the callers' to invent. */
  #forget(tenant: Tenant): void {
    if (tenant.line.length > 0 || tenant.running > 0) return;
    if (tenant.given > this.#given) this.#idle.add(tenant);
    else this.#tenants.delete(tenant.name);
  }

  #forgetIdle(): void {
    if (this.#waiting.size > 0 && this.#idle.size < IDLE_MAX) return;
    for (const tenant of this.#idle) {
      const isIdle = tenant.line.length === 0 && tenant.running === 0;
      if (isIdle && this.#tenants.get(tenant.name) === tenant) this.#tenants.delete(tenant.name);
    }
    this.#idle.clear();
  }
}

function byOrder(a: Tenant, b: Tenant): number {
  return (a.line.head?.order ?? 0) - (b.line.head?.order ?? 0);
}
