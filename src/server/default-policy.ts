/** Requests that name no policy: whether this host carries out what holds for them. */
import { isCaissonError } from '../core/error.ts';
import type { Unenforceable } from '../plan/plan.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import type { Service } from './service.ts';

type Parts = Pick<Service, 'caisson' | 'places'>;

/**
 * What this host lacks for it; such requests are refused, others may run.
 *
 * @throws POLICY_INVALID: it is none; LAUNCHER_*
 */
export async function defaultPolicyLacks(service: Parts): Promise<readonly Unenforceable[]> {
  const { caisson, places } = service;
  const { unenforceable } = await caisson.explain(places.defaultPolicy as PolicyInput);
  return unenforceable;
}

export type DefaultPolicyState = 'enforced' | 'refused';

/** Worked out once for what is known of the host: whoever asks whether the service is ready asks often. */
export class DefaultPolicyWatch {
  readonly #service: Parts;
  #known: { readonly facts: unknown; readonly state: DefaultPolicyState } | undefined;

  constructor(service: Parts) {
    this.#service = service;
  }

  /** @throws LAUNCHER_* */
  async state(): Promise<DefaultPolicyState> {
    const facts = await this.#service.caisson.facts();
    if (this.#known?.facts === facts) return this.#known.state;
    const state = await this.#find();
    this.#known = { facts, state };
    return state;
  }

  async #find(): Promise<DefaultPolicyState> {
    try {
      return (await defaultPolicyLacks(this.#service)).length === 0 ? 'enforced' : 'refused';
    } catch (error) {
      if (isCaissonError(error) && error.code === 'POLICY_INVALID') return 'refused';
      throw error;
    }
  }
}
