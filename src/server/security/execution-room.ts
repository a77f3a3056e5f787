/** Work that no pool of sandboxes counts: so much of a tenant at once, more of it waits in its order, and too much is refused. */
import { CaissonError } from '../../core/error.ts';

/** Of one tenant. */
export interface RoomLimits {
  readonly atOnce: number;
  readonly waiting: number;
}

interface Room {
  running: number;
  readonly line: Set<() => void>;
}

export class ExecutionRoom {
  readonly #what: string;
  readonly #limits: (tenant: string) => RoomLimits;
  readonly #rooms = new Map<string, Room>();

  /** @param what as messages call it: `executions` */
  constructor(what: string, limits: (tenant: string) => RoomLimits) {
    this.#what = what;
    this.#limits = limits;
  }

  /**
   * @param signal whoever waits gives up
   * @throws QUOTA_EXCEEDED where too many wait; ABORTED; what the work throws
   */
  async during<T>(tenant: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const room = this.#rooms.get(tenant) ?? { running: 0, line: new Set() };
    this.#rooms.set(tenant, room);
    const { atOnce, waiting } = this.#limits(tenant);
    if (room.running >= atOnce) {
      if (room.line.size >= waiting) throw tooMany(this.#what, tenant, waiting);
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
    if (signal.aborted)
      throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      line.delete(enter);
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      line.delete(enter);
      reject(new CaissonError('ABORTED', { layer: 'server', cause: signal.reason }));
    };
    line.add(enter);
    signal.addEventListener('abort', leave, { once: true });
    await promise;
  }
}

function tooMany(what: string, tenant: string, limit: number): CaissonError {
  return new CaissonError('QUOTA_EXCEEDED', {
    layer: 'server',
    message: `${limit} ${what} of ${tenant} wait already`,
    hint: 'ask for fewer at once, or ask the operator for more',
    details: { quota: 'waiting', limit, used: limit, asked: 1 },
  });
}
