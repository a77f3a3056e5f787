/**
 * What a run changed in an overlay and did not bring into its workspace. The library keeps it to be looked at; whoever asks a
 * service has no name for it afterwards, and it would fill the disk beside every quota: here it goes with the run.
 */
import type { Outcome } from '../core/outcome.ts';
import { Overlay } from '../sandbox/overlay.ts';

const REASON = 'changes of a run go with it; those of a sandbox stay until it is closed';

export class RunChanges {
  readonly #state: string;
  readonly #onFault: (error: unknown) => void;

  /** @param onFault told of what could not be removed */
  constructor(state: string, onFault: (error: unknown) => void) {
    this.#state = state;
    this.#onFault = onFault;
  }

  /** @returns the outcome, when nothing of it is left */
  async settle(outcome: Outcome): Promise<Outcome> {
    const { changes } = outcome;
    if (changes?.pending === undefined) return outcome;
    const { pending, reason = REASON, ...counts } = changes;
    try {
      await Overlay.open(this.#state, pending).discard();
    } catch (error) {
      this.#onFault(error);
    }
    return { ...outcome, changes: { ...counts, reason } };
  }
}
