/**
 * Host processes of one kind and one tenant: as many as are worth it, each used for so many evaluations, one always
 * standing by, so that a host that was lost costs nobody a start.
 */
import { CaissonError } from '../core/error.ts';
import { HostProcess, type StartedHost } from './host-process.ts';
import type {
  EngineName,
  Evaluate,
  EvaluateHooks,
  EvaluationPool,
  HostEvaluated,
  Standing,
} from './program.ts';

export interface HostPoolOptions {
  readonly engine: EngineName;
  /** Starts the program of a host behind its wall. */
  readonly start: () => Promise<StartedHost>;
  /** Hosts that evaluate at the same time. */
  readonly hosts: number;
  /** A host ends after so many evaluations; default 50,000. */
  readonly evaluationsEach?: number;
  /** Without anything to do for so long, all of them end; milliseconds, default 30,000. */
  readonly idleMs?: number;
}

/** A host costs as much as 5000 of the shortest; its own memory has grown by 40 MiB after so many. */
const EVALUATIONS_EACH = 50_000;
const JOBS_EACH = 4096;
const PROGRAMS_EACH = 256;
const IDLE_MS = 30_000;

export class HostPool implements EvaluationPool {
  readonly #options: HostPoolOptions;
  readonly #hosts: HostProcess[] = [];
  /** By program, where it keeps its context. */
  readonly #homes = new Map<string, HostProcess>();
  #standby: Promise<HostProcess> | undefined;
  /** Started, and not ready yet. */
  readonly #beginning = new Set<HostProcess>();
  #standing: Standing | undefined;
  #starting = 0;
  #warming: Promise<HostProcess> | undefined;
  #waiting: (() => void)[] = [];
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  get standing(): Standing | undefined {
    return this.#standing;
  }

  /** @throws what a host could not be started for */
  async evaluate(
    evaluate: Evaluate,
    hooks: EvaluateHooks,
    signal?: AbortSignal,
  ): Promise<HostEvaluated> {
    this.#idle?.refresh();
    const isGivenUp = (): boolean => signal?.aborted === true;
    // Whoever waits behind another guest loses its host by that guest's doing: it never counts against it.
    while (!isGivenUp()) {
      const host = this.#free(evaluate) ?? (await this.#host(evaluate));
      if (isGivenUp()) {
        this.#wakeAll();
        break;
      }
      if (evaluate.keep === 'context') this.#homes.set(evaluate.program.id, host);
      const abort = (): void => host.withdraw(hooks);
      signal?.addEventListener('abort', abort, { once: true });
      try {
        const evaluated = await host.evaluate(evaluate, hooks);
        if (evaluated !== 'not-begun') return evaluated;
      } finally {
        signal?.removeEventListener('abort', abort);
        this.#settle(host);
      }
    }
    return { kind: 'killed', wallMs: 0, cpuMs: 0, memoryBytes: 0 };
  }

  /** Starts the first host and the one that stands by. */
  async warm(): Promise<void> {
    if (this.#hosts.length > 0) return;
    this.#warming ??= this.#started().finally(() => {
      this.#warming = undefined;
    });
    await this.#warming;
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Nobody needs them any more: one that never comes to take anything would be waited for.
    for (const host of this.#beginning) host.kill();
    await this.#drop();
  }

  /** At once where there is one: a warm call must not wait for a turn of the event loop. */
  #free({ program, keep }: Evaluate): HostProcess | undefined {
    const home = keep === 'context' ? this.#homes.get(program.id) : undefined;
    if (home !== undefined && !home.isSpent) return home;
    let best: HostProcess | undefined;
    for (const host of this.#hosts) {
      if (host.isSpent) continue;
      const isBetter =
        best === undefined ||
        host.load < best.load ||
        (host.load === best.load && host.knows(program.id) && !best.knows(program.id));
      if (isBetter) best = host;
    }
    const mayStart = this.#hosts.length + this.#starting < this.#options.hosts;
    return best !== undefined && (best.load === 0 || !mayStart) ? best : undefined;
  }

  async #host(evaluate: Evaluate): Promise<HostProcess> {
    if (this.#hosts.length + this.#starting >= this.#options.hosts) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return this.#free(evaluate) ?? this.#host(evaluate);
    }
    return await this.#started();
  }

  async #started(): Promise<HostProcess> {
    this.#starting++;
    try {
      return this.#add(await this.#next());
    } finally {
      this.#starting--;
      this.#wakeAll();
    }
  }

  #add(host: HostProcess): HostProcess {
    this.#hosts.push(host);
    // Also one that ends while nobody uses it.
    void host.ended.then(() => this.#settle(host));
    return host;
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** The one that stands by, and another in its place. */
  async #next(): Promise<HostProcess> {
    if (this.#closed) throw closedError();
    const taken = this.#standby ?? this.#start();
    // Whoever else comes meanwhile takes another one.
    this.#standby = undefined;
    const host = await taken;
    if (this.#closed) {
      await host.close();
      throw closedError();
    }
    this.#standBy();
    this.#idle ??= setTimeout(() => void this.#whenIdle(), this.#options.idleMs ?? IDLE_MS).unref();
    return host.isSpent ? this.#next() : host;
  }

  #standBy(): void {
    if (this.#standby !== undefined) return;
    const starting = this.#start();
    this.#standby = starting;
    starting.catch(() => {
      // Told to whoever needs one next.
      if (this.#standby === starting) this.#standby = undefined;
    });
  }

  #start(): Promise<HostProcess> {
    return awake(async () => {
      const { engine, start } = this.#options;
      const { guest, wall, wallReason, accepted } = await start();
      this.#standing = {
        wall: engine === 'component' ? 'wasm' : engine,
        wallReason: `${engine} in a host process behind the wall ${wall} (${wallReason})`,
        accepted,
      };
      const host = new HostProcess(guest);
      this.#beginning.add(host);
      if (this.#closed) host.kill();
      try {
        await host.ready;
        return host;
      } finally {
        this.#beginning.delete(host);
      }
    });
  }

  #settle(host: HostProcess): void {
    const { evaluationsEach = EVALUATIONS_EACH } = this.#options;
    const isWorn =
      host.evaluations >= evaluationsEach ||
      host.programs >= PROGRAMS_EACH ||
      host.jobs >= JOBS_EACH;
    if (!host.isSpent && !isWorn) return;
    const index = this.#hosts.indexOf(host);
    if (index >= 0) this.#hosts.splice(index, 1);
    for (const [program, home] of this.#homes) if (home === host) this.#homes.delete(program);
    if (isWorn && host.load === 0) void host.close();
    this.#wakeAll();
  }

  async #whenIdle(): Promise<void> {
    this.#idle = undefined;
    if (this.#hosts.some((host) => host.load > 0)) {
      this.#idle = setTimeout(() => void this.#whenIdle(), this.#options.idleMs ?? IDLE_MS).unref();
      return;
    }
    await this.#drop();
  }

  async #drop(): Promise<void> {
    clearTimeout(this.#idle);
    this.#idle = undefined;
    const standby = this.#standby;
    this.#standby = undefined;
    this.#homes.clear();
    const hosts = this.#hosts.splice(0);
    const closing = [
      ...hosts.map((host) => host.close()),
      standby?.then(
        (host) => host.close(),
        () => {},
      ),
    ];
    await awake(() => Promise.all(closing));
  }
}

/** Hosts do not keep this process alive; whoever waits for one does. */
async function awake<T>(wait: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 60_000);
  try {
    return await wait();
  } finally {
    clearInterval(timer);
  }
}

function closedError(): CaissonError {
  return new CaissonError('SANDBOX_CLOSED', { layer: 'backends', message: 'the pool is closed' });
}
