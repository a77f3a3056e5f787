/**
 * A managed sandbox that is open: its clocks, how it is stopped and gone on with, and its one end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import type { Usage } from '../../core/outcome.ts';
import type { Sandbox } from '../sandbox.ts';
import { Activity } from './activity.ts';
import type { Entry } from './entry.ts';
import { ManagedSandbox } from './managed-sandbox.ts';
import type { SandboxState } from './states.ts';

const FREEZE_ATTEMPTS = 20;
const FREEZE_PAUSE_MS = 50;

export interface KeptSetup {
  readonly entry: Entry;
  readonly sandbox: Sandbox;
  readonly ttlMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  /** Called once, when nothing of it is left. */
  readonly onEnd: (state: SandboxState, reason: string | undefined) => void;
}

export class Kept {
  readonly handle: ManagedSandbox;
  readonly #setup: KeptSetup;
  readonly #activity: Activity;
  readonly #ttl: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(setup: KeptSetup) {
    this.#setup = setup;
    const { entry, sandbox, ttlMs, idleTimeoutMs } = setup;
    this.#activity = new Activity(idleTimeoutMs, () =>
      entry.end({ state: 'TimedOut', reason: `nothing was asked of it for ${idleTimeoutMs} ms` }),
    );
    if (ttlMs !== undefined) {
      this.#ttl = setTimeout(
        () => entry.end({ state: 'TimedOut', reason: `its time to live, ${ttlMs} ms, is over` }),
        ttlMs,
      );
    }
    const { signal } = entry.abort;
    const onAbort = (): void => {
      this.#close(entry.ending?.state ?? 'Killed', entry.ending?.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    sandbox.gone.then(
      () => this.#close('Failed', 'it ended by itself'),
      (error: Error) => this.#close('Failed', error.message),
    );
    this.handle = new ManagedSandbox(entry.id, sandbox, this.#activity, {
      state: () => entry.state,
      pause: () => this.pause(),
      resume: () => this.resume(),
      close: () => this.#close('Completed', undefined),
    });
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      const { entry, sandbox } = this.#setup;
      this.#need('Running');
      // What stands still cannot ask for anything: it is not idle.
      this.#activity.begin();
      try {
        await freeze(sandbox);
        this.#need('Running');
        entry.become('Paused');
      } catch (error) {
        this.#activity.end();
        throw error;
      }
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      const { entry, sandbox } = this.#setup;
      this.#need('Paused');
      await sandbox.thaw();
      this.#need('Paused');
      entry.become('Running');
      this.#activity.end();
    });
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

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #need(state: SandboxState): void {
    const { entry } = this.#setup;
    if (entry.state === state && this.#closing === undefined) return;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `the sandbox ${entry.id} is ${this.#closing === undefined ? entry.state : 'being closed'}, not ${state}`,
      details: { id: entry.id, state: entry.state },
    });
  }
}

/**
 * A busy machine may need longer than the launcher waits (0.1 s) until everything stands. Half-frozen is neither one nor the
 * other: what does not come to stand is let go again.
 */
async function freeze(sandbox: Sandbox): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await sandbox.freeze();
      return;
    } catch (error) {
      const isLate = isCaissonError(error) && error.details.errno === 'ETIMEDOUT';
      if (isLate && attempt < FREEZE_ATTEMPTS) {
        await sleep(FREEZE_PAUSE_MS);
        continue;
      }
      await sandbox.thaw().catch(() => {});
      throw error;
    }
  }
}
