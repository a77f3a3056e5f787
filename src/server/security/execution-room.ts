/**
 * Evaluations, executions of modules and scans, which no pool of sandboxes counts: so many of a tenant at once, others of it
 * wait in their order.
 */
import { CaissonError } from '../../core/error.ts';
import type { TenantConfig } from '../config/tenant-config.ts';

/** Of a tenant without a quota of its own (`quotas.concurrency`). */
const AT_ONCE = 32;
/** Of a tenant without a quota of its own (`quotas.waiting`). */
const MOST_WAITING = 2500;

interface Room {
  running: number;
  readonly line: Set<() => void>;
}

export class ExecutionRoom {
  readonly #settings: (tenant: string) => TenantConfig;
  readonly #rooms = new Map<string, Room>();

  constructor(settings: (tenant: string) => TenantConfig) {
    this.#settings = settings;
  }

  /**
   * @param signal whoever waits gives up
   * @throws QUOTA_EXCEEDED where too many wait; ABORTED; what the work throws
   */
  async during<T>(tenant: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const room = this.#rooms.get(tenant) ?? { running: 0, line: new Set() };
    this.#rooms.set(tenant, room);
    const { concurrency, waiting = MOST_WAITING } = this.#settings(tenant).quotas ?? {};
    if (room.running >= (concurrency ?? AT_ONCE)) {
      if (room.line.size >= waiting) throw tooMany(tenant, waiting);
      await this.#place(room, signal);
    } else room.running += 1;
    try {
      return await work();
    } finally {
      const [next] = room.line;
      // The place goes to the next one, so that nobody slips in between.
      if (next !== undefined) next();
      else room.running -= 1;
      if (room.running === 0) this.#rooms.delete(tenant);
    }
  }

  async #place({ line }: Room, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new CaissonError('ABORTED', { layer: 'server' });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      line.delete(enter);
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      line.delete(enter);
      reject(new CaissonError('ABORTED', { layer: 'server' }));
    };
    line.add(enter);
    signal.addEventListener('abort', leave, { once: true });
    await promise;
  }
}

function tooMany(tenant: string, limit: number): CaissonError {
  return new CaissonError('QUOTA_EXCEEDED', {
    layer: 'server',
    message: `${limit} executions of ${tenant} wait already`,
    hint: 'ask for fewer at once, or ask the operator for more',
    details: { quota: 'waiting', limit, used: limit, asked: 1 },
  });
}
