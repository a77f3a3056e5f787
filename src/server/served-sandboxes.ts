/** The sandboxes that the service keeps for its callers, each for its own tenant alone. */
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { Policy } from '../policy/policy.ts';
import type { ManagedInfo } from '../sandbox/manager/managed-info.ts';
import type { ManagedSandbox } from '../sandbox/manager/managed-sandbox.ts';
import type { ManagedCreateOptions } from '../sandbox/manager/manager-options.ts';
import type { RecoveredSandbox } from '../sandbox/manager/recovery.ts';
import type { SandboxManager } from '../sandbox/manager/sandbox-manager.ts';
import { ServedSnapshots } from './served-snapshots.ts';
import type { Workspace } from './workspaces.ts';

/** Something that ends with a sandbox: its workspace, its place in a quota. */
export type Ending = () => Promise<void> | void;

/** What it was made of, for others like it. */
export interface About {
  readonly policy: Policy;
  readonly workspace: Workspace | undefined;
}

export class ServedSandboxes {
  readonly snapshots = new ServedSnapshots();
  readonly #manager: SandboxManager;
  readonly #onFault: (error: unknown) => void;
  readonly #open = new Map<string, ManagedSandbox>();
  readonly #endings = new Map<string, Promise<void>>();
  readonly #about = new WeakMap<ManagedSandbox, About>();
  /** Of a service that died: known until this one ends. */
  readonly #lost: ReadonlyMap<string, ManagedInfo>;

  /** @param onFault told of what could not be cleaned up */
  constructor(manager: SandboxManager, onFault: (error: unknown) => void) {
    this.#manager = manager;
    this.#onFault = onFault;
    this.#lost = new Map(
      manager.recovered.sandboxes
        .map((each) => lostInfo(each))
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((info) => [info.id, info]),
    );
  }

  /** @param ending is done once it has ended, whoever ended it, or where it could not be made */
  create(options: ManagedCreateOptions, about: About, ending: Ending): Promise<ManagedSandbox> {
    return this.keep(() => this.#manager.create(options), about, ending);
  }

  /** One that is made another way, such as a fork. */
  async keep(
    make: () => Promise<ManagedSandbox>,
    about: About,
    ending: Ending,
  ): Promise<ManagedSandbox> {
    let sandbox: ManagedSandbox;
    try {
      sandbox = await make();
    } catch (error) {
      await ending();
      throw error;
    }
    const { id } = sandbox;
    this.#about.set(sandbox, about);
    this.#open.set(id, sandbox);
    const ended = this.#manager
      .wait(id)
      .then(() => {
        this.#open.delete(id);
        return ending();
      })
      .catch(this.#onFault)
      .finally(() => this.#endings.delete(id));
    this.#endings.set(id, ended);
    return sandbox;
  }

  about(sandbox: ManagedSandbox): About {
    const about = this.#about.get(sandbox);
    if (about === undefined) throw new CaissonError('INTERNAL', { layer: 'server' });
    return about;
  }

  /** @throws NOT_FOUND, also for another tenant’s; SANDBOX_CLOSED where it has ended */
  get(tenant: string, id: string): ManagedSandbox {
    const { state } = this.inspect(tenant, id);
    const sandbox = this.#open.get(id);
    if (sandbox !== undefined) return sandbox;
    throw new CaissonError('SANDBOX_CLOSED', {
      layer: 'server',
      message: `the sandbox ${id} is ${state}`,
      hint: 'only a sandbox that runs takes commands and files',
    });
  }

  /** One that has not ended. @param id of one that its caller may see */
  find(id: string): ManagedSandbox | undefined {
    return this.#open.get(id);
  }

  /** @throws NOT_FOUND, also for another tenant’s */
  inspect(tenant: string, id: string): ManagedInfo {
    let found: ManagedInfo | undefined;
    try {
      found = this.#manager.inspect(id);
    } catch (error) {
      if (!isCaissonError(error) || error.code !== 'REQUEST_INVALID') throw error;
    }
    found ??= this.#lost.get(id);
    if (found?.tenant === tenant) return found;
    throw noSandbox(id);
  }

  /** Of a service that died: nothing is known of it but what was written down. */
  isLost(id: string): boolean {
    return this.#lost.has(id);
  }

  list(tenant: string): readonly ManagedInfo[] {
    const lost = [...this.#lost.values()].filter((each) => each.tenant === tenant);
    return lost.length === 0
      ? this.#manager.list({ tenant })
      : [...lost, ...this.#manager.list({ tenant })];
  }

  /** Nothing of it is left when this settles. @throws NOT_FOUND, also for another tenant’s */
  async kill(tenant: string, id: string, by: string): Promise<ManagedInfo> {
    const known = this.inspect(tenant, id);
    if (this.#lost.has(id)) return known;
    const ended = await this.#manager.kill(id, `${by} ended it`);
    await this.#endings.get(id);
    return ended;
  }

  /** Ends one that nobody was told of. */
  abandon(id: string): void {
    this.#manager.kill(id, 'its client went away before it was told of it').catch(this.#onFault);
  }

  /** Discards a snapshot that nobody was told of. */
  forget(tenant: string, snapshot: string): void {
    this.snapshots.discard(tenant, snapshot).catch(this.#onFault);
  }

  /** Settles when what went with sandboxes that have ended is gone too. */
  async settled(): Promise<void> {
    await Promise.all([...this.#endings.values(), this.snapshots.close()]);
  }
}

/** Its files go when it does, and then its places in quotas. */
export function releasing(workspace: Workspace | undefined, ...others: Ending[]): Ending {
  return async () => {
    try {
      await workspace?.release();
    } finally {
      for (const other of others) await other();
    }
  };
}

function lostInfo({ record, reason }: RecoveredSandbox): ManagedInfo {
  const { id, kind, tenant, labels, priority, policyDigest, createdMs, sandbox } = record;
  return {
    id,
    kind,
    state: 'Failed',
    waiting: false,
    tenant,
    labels,
    priority,
    policyDigest,
    ...(sandbox === undefined ? {} : { sandbox }),
    createdMs,
    ageMs: Math.max(0, Date.now() - createdMs),
    reason,
    usage: () => Promise.resolve(undefined),
  };
}

function noSandbox(id: string): CaissonError {
  return new CaissonError('NOT_FOUND', {
    layer: 'server',
    message: `there is no sandbox ${id}`,
    hint: 'GET /api/sandboxes lists those that are known',
  });
}
