/**
 * A managed sandbox that is open: its clocks, how it is stopped and gone on with, and its one end.
 */
import type { Usage } from '../../core/outcome.ts';
import { checkOptions } from '../../policy/known-options.ts';
import { MANAGED } from '../option-kinds.ts';
import type { Sandbox } from '../sandbox.ts';
import { Activity } from './activity.ts';
import type { Entry } from './entry.ts';
import { ManagedSandbox, type ManagedSnapshot } from './managed-sandbox.ts';
import type { ManagedForkOptions } from './manager-options.ts';
import { Pausing } from './pausing.ts';
import type { SandboxState } from './states.ts';

export interface KeptSetup {
  readonly entry: Entry;
  readonly sandbox: Sandbox;
  readonly ttlMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  /** Another one like it, with room of its own. @param make makes it, once there is room */
  readonly twin: (
    options: ManagedForkOptions,
    make: (signal: AbortSignal) => Promise<Sandbox>,
  ) => Promise<ManagedSandbox>;
  /** Called once, when nothing of it is left. */
  readonly onEnd: (state: SandboxState, reason: string | undefined) => void;
}

export class Kept {
  readonly handle: ManagedSandbox;
  readonly #setup: KeptSetup;
  readonly #activity: Activity;
  readonly #ttl: NodeJS.Timeout | undefined;
  readonly #pausing: Pausing;
  #closing: Promise<void> | undefined;

  constructor(setup: KeptSetup) {
    this.#setup = setup;
    const { entry, sandbox, ttlMs, idleTimeoutMs } = setup;
    this.#activity = new Activity(idleTimeoutMs, () =>
      entry.end({ state: 'TimedOut', reason: `nothing was asked of it for ${idleTimeoutMs} ms` }),
    );
    this.#pausing = new Pausing({
      entry,
      freeze: (frozen) => (frozen ? sandbox.freeze() : sandbox.thaw()),
      isEnding: () => this.#closing !== undefined,
    });
    if (ttlMs !== undefined) {
      this.#ttl = setTimeout(
        () => entry.end({ state: 'TimedOut', reason: `its time to live, ${ttlMs} ms, is over` }),
        ttlMs,
      );
    }
    const { signal } = entry;
    const onAbort = (): void => {
      this.#close(entry.ending?.state ?? 'Killed', entry.ending?.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    sandbox.gone
      .then(
        () => this.#close('Failed', 'it ended by itself'),
        (error: Error) => this.#close('Failed', error.message),
      )
      // As in #close: unhandled, it would end this process, and every other sandbox with it.
      .catch(() => {});
    this.handle = new ManagedSandbox(entry.id, sandbox, this.#activity, {
      state: () => entry.state,
      pause: () => this.pause(),
      resume: () => this.resume(),
      fork: (options) => this.fork(options),
      snapshot: () => this.snapshot(),
      close: () => this.#close('Completed', undefined),
    });
  }

  async pause(): Promise<void> {
    // What stands still cannot ask for anything: it is not idle.
    this.#activity.begin();
    try {
      await this.#pausing.pause();
    } catch (error) {
      this.#activity.end();
      throw error;
    }
  }

  async resume(): Promise<void> {
    await this.#pausing.resume();
    this.#activity.end();
  }

  /** Its changes are copied when there is room for the other one, not before. */
  fork(options: ManagedForkOptions): Promise<ManagedSandbox> {
    const { sandbox, twin } = this.#setup;
    return this.#activity.during(twin(options, () => this.#pausing.between(() => sandbox.fork())));
  }

  async snapshot(): Promise<ManagedSnapshot> {
    const { sandbox, twin } = this.#setup;
    const taken = await this.#activity.during(this.#pausing.between(() => sandbox.snapshot()));
    return {
      id: taken.id,
      open: async (options = {}) => {
        checkOptions(options, 'open', MANAGED.fork);
        return await twin(options, (signal) => taken.open({ signal }));
      },
      discard: () => taken.discard(),
    };
  }

  usage(): Promise<Usage> {
    return this.#setup.sandbox.usage();
  }

  #close(state: SandboxState, reason: string | undefined): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#end(state, reason);
      // Nobody waits for what a clock or a kill ended; its state says how that went.
      this.#closing.catch(() => {});
    }
    return this.#closing;
  }

  async #end(state: SandboxState, reason: string | undefined): Promise<void> {
    this.#activity.stop();
    clearTimeout(this.#ttl);
    try {
      await this.#setup.sandbox.close();
      this.#setup.onEnd(state, reason);
    } catch (error) {
      this.#setup.onEnd('Failed', (error as Error).message);
      throw error;
    }
  }
}
