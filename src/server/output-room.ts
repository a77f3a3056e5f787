/**
 * What commands of kept sandboxes write is kept until it is answered, in memory that no pool counts: the pool has room for
 * sandboxes, and a sandbox takes as many commands as it may have processes. So much of it for each tenant; other commands of
 * the tenant wait, in their order.
 */
import { CaissonError } from '../core/error.ts';
import type { TenantConfig } from './config/tenant-config.ts';

const MiB = 2 ** 20;
/** Of a tenant without a quota of its own (`quotas.outputBytes`). Commands whose output is a stream keep none. */
const MOST_BYTES = 4096 * MiB;
const MOST_WAITING = 2500;
/** Of each stream, whatever the policy says: native/launcher/state.h, RESULT_OUTPUT_MAX. */
const MOST_OF_STREAM = 31 * MiB;
/** Where the policy says nothing: CAPTURE_DEFAULT of native/launcher/exec_streams.c. */
const DEFAULT_OF_STREAM = MiB;

interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

interface Account {
  held: number;
  readonly line: Set<Waiting>;
}

export class OutputRoom {
  readonly #settings: (tenant: string) => TenantConfig;
  readonly #accounts = new Map<string, Account>();

  constructor(settings: (tenant: string) => TenantConfig) {
    this.#settings = settings;
  }

  /**
   * Does it when there is room for what it may write.
   *
   * @param bytes that it may write, as {@link outputBytesOf} has them
   * @param signal whoever waits gives up
   * @throws QUOTA_EXCEEDED where too many wait; ABORTED; what the work throws
   */
  async during<T>(
    tenant: string,
    bytes: number,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    const account = this.#accounts.get(tenant) ?? { held: 0, line: new Set() };
    this.#accounts.set(tenant, account);
    if (account.line.size > 0 || !this.#hasRoom(tenant, account, bytes))
      await wait(account, bytes, signal, tenant);
    else account.held += bytes;
    try {
      return await work();
    } finally {
      account.held -= bytes;
      this.#next(tenant, account);
    }
  }

  /** One is always taken. */
  #hasRoom(tenant: string, { held }: Account, bytes: number): boolean {
    const { outputBytes = MOST_BYTES } = this.#settings(tenant).quotas ?? {};
    return held === 0 || held + bytes <= outputBytes;
  }

  #next(tenant: string, account: Account): void {
    for (const next of account.line) {
      if (!this.#hasRoom(tenant, account, next.bytes)) return;
      account.line.delete(next);
      account.held += next.bytes;
      next.enter();
    }
    if (account.held === 0) this.#accounts.delete(tenant);
  }
}

/** @param limit of each stream, as a policy has it @returns of both together, at most */
export function outputBytesOf(limit: number | null | undefined): number {
  return 2 * Math.min(limit ?? DEFAULT_OF_STREAM, MOST_OF_STREAM);
}

async function wait(
  { line }: Account,
  bytes: number,
  signal: AbortSignal,
  tenant: string,
): Promise<void> {
  if (signal.aborted) throw new CaissonError('ABORTED', { layer: 'server', cause: signal.reason });
  if (line.size >= MOST_WAITING) throw tooMany(tenant);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const waiting = { bytes, enter: resolve };
  const leave = (): void => {
    line.delete(waiting);
    reject(new CaissonError('ABORTED', { layer: 'server', cause: signal.reason }));
  };
  line.add(waiting);
  signal.addEventListener('abort', leave, { once: true });
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

function tooMany(tenant: string): CaissonError {
  return new CaissonError('QUOTA_EXCEEDED', {
    layer: 'server',
    message: `${MOST_WAITING} commands of ${tenant} wait already for room for their output`,
    hint: 'ask for fewer at once, write a smaller limits.output, or take output as a stream',
    details: { quota: 'output', limit: MOST_WAITING, used: MOST_WAITING, asked: 1 },
  });
}
