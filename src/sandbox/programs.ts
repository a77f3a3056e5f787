/**
 * The evaluators of a Caisson: one for each policy, tenant and set of accepted weaknesses; they share nothing.
 */
import { Evaluator, type EvaluatorSetup } from './evaluator.ts';
import type { Journal } from './journal.ts';
import type { PlaceOptions } from './place-options.ts';
import type { PolicyEntry } from './policy-book.ts';

export interface ProgramsSetup {
  /** Opens pools whose hosts stand behind that policy's wall. */
  readonly open: (
    entry: PolicyEntry,
    options: PlaceOptions,
    isAlone: boolean,
  ) => EvaluatorSetup['open'];
  readonly journal: (entry: PolicyEntry, options: PlaceOptions) => Journal | undefined;
}

/**
 * Evaluators of one tenant that stand at once, each with hosts of its own: past that, the one that nobody used for longest ends.
 */
const MOST_OF_A_TENANT = 32;

export class Programs {
  readonly #setup: ProgramsSetup;
  readonly #evaluators = new Map<string, Evaluator>();

  constructor(setup: ProgramsSetup) {
    this.#setup = setup;
  }

  /** @param isAlone each evaluation has a host of its own, which ends with it */
  evaluator(
    entry: PolicyEntry,
    { tenant, accept, allowUnisolated }: PlaceOptions,
    isAlone = false,
  ): Evaluator {
    const accepted = accept === undefined ? '' : [...accept].sort().join(',');
    const key = `${entry.digest}\0${tenant ?? ''}\0${accepted}\0${allowUnisolated === true}${isAlone ? '\0alone' : ''}`;
    let evaluator = this.#evaluators.get(key);
    if (evaluator !== undefined) {
      // The one that was used last goes last.
      this.#evaluators.delete(key);
      this.#evaluators.set(key, evaluator);
    }
    if (evaluator === undefined) {
      const options = {
        ...(tenant === undefined ? {} : { tenant }),
        ...(accept === undefined ? {} : { accept }),
        ...(allowUnisolated === undefined ? {} : { allowUnisolated }),
      };
      const journal = this.#setup.journal(entry, options);
      evaluator = new Evaluator({
        policy: entry.policy,
        policyDigest: entry.digest,
        open: this.#setup.open(entry, options, isAlone),
        ...(journal === undefined ? {} : { journal }),
      });
      this.#makeRoom(tenant ?? '');
      this.#evaluators.set(key, evaluator);
    }
    return evaluator;
  }

  #makeRoom(tenant: string): void {
    const its = [...this.#evaluators].filter(([key]) => key.split('\0')[1] === tenant);
    let left = its.length + 1 - MOST_OF_A_TENANT;
    for (const [key, evaluator] of its) {
      if (left <= 0) return;
      if (evaluator.isBusy) continue;
      this.#evaluators.delete(key);
      left -= 1;
      // Whoever goes on with it gets another one.
      evaluator.close().catch(() => {});
    }
  }

  /** Ends the hosts of a policy, unless something is evaluated there. */
  forget({ digest }: PolicyEntry): boolean {
    const found = [...this.#evaluators].filter(([key]) => key.startsWith(`${digest}\0`));
    if (found.some(([, evaluator]) => evaluator.isBusy)) return false;
    for (const [key, evaluator] of found) {
      this.#evaluators.delete(key);
      // Whoever goes on with it gets another one.
      evaluator.close().catch(() => {});
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#evaluators.values()].map((evaluator) => evaluator.close()));
    this.#evaluators.clear();
  }
}
