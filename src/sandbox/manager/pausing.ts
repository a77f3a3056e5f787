/**
 * How what runs is stopped where it stands and gone on with: one request after the other, and none against its end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import type { Entry } from './entry.ts';
import type { SandboxState } from './states.ts';

export interface PausingSetup {
  readonly entry: Entry;
  /** Settles once everything stands, or goes on. */
  readonly freeze: (frozen: boolean) => Promise<void>;
  /** It is on its way to its end. */
  readonly isEnding: () => boolean;
}

/** A run may be asked for before its command has been given to a sandbox. */
const ATTEMPTS = 100;
const PAUSE_MS = 50;

export class Pausing {
  readonly #setup: PausingSetup;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(setup: PausingSetup) {
    this.#setup = setup;
  }

  pause(): Promise<void> {
    return this.#inTurn(async () => {
      this.#need('Running');
      await this.#standStill();
      this.#need('Running');
      this.#setup.entry.become('Paused');
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      this.#need('Paused');
      const { entry, freeze } = this.#setup;
      try {
        await freeze(false);
      } catch (error) {
        this.#need('Paused');
        throw absenceIn(error) ? notThere(entry.id) : error;
      }
      this.#need('Paused');
      entry.become('Running');
    });
  }

  /** Nothing is paused or gone on with meanwhile. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return this.#inTurn(work);
  }

  async #standStill(): Promise<void> {
    const { entry, freeze, isEnding } = this.#setup;
    for (let attempt = 1; ; attempt++) {
      try {
        await freeze(true);
        return;
      } catch (error) {
        this.#need('Running');
        const absence = absenceIn(error);
        if (absence && attempt < ATTEMPTS) {
          await sleep(PAUSE_MS);
          this.#need('Running');
          continue;
        }
        // Half-frozen is neither one nor the other; but what is being ended is not let go again.
        if (!isEnding()) await freeze(false).catch(() => {});
        throw absence ? notThere(entry.id) : refusal(entry.id, error);
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #need(state: SandboxState): void {
    const { entry, isEnding } = this.#setup;
    if (entry.state === state && !isEnding()) return;
    const found = isEnding() && !entry.isFinal ? 'being ended' : entry.state;
    throw new CaissonError('REQUEST_INVALID', {
      layer: 'sandbox',
      message: `the sandbox ${entry.id} is ${found}, not ${state}`,
      details: { id: entry.id, state: entry.state },
    });
  }
}

/** Nothing of it is there yet, or any more. */
function absenceIn(error: unknown): boolean {
  if (!isCaissonError(error)) return false;
  // One number has both names.
  const isEarly = ['EAGAIN', 'EWOULDBLOCK'].includes(String(error.details.errno));
  return error.code === 'SANDBOX_CLOSED' || isEarly;
}

function notThere(id: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `nothing of ${id} runs now: it is being made, or it has ended and is being put away`,
    hint: 'try again later',
    details: { id },
  });
}

/** Without control groups nothing holds a whole sandbox: stopping its processes by signals would be seen and undone inside. */
function refusal(id: string, error: unknown): unknown {
  const isWithout =
    isCaissonError(error) && ['ENOTSUP', 'EOPNOTSUPP'].includes(String(error.details.errno));
  if (!isWithout) return error;
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `${id} cannot be paused: it has no control group of its own`,
    hint: 'give its policy a limit of memory, processes or cpu on a host that has control groups (caisson doctor); or kill it',
    details: { id },
    cause: error,
  });
}
