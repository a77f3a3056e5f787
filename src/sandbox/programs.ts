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
      this.#evaluators.set(key, evaluator);
    }
    return evaluator;
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
