/**
 * One command in a sandbox of its own, while it runs: how it is paused, and what it uses. Its clocks go on while it stands.
 */
import type { Usage } from '../../core/outcome.ts';
import type { Policy } from '../../policy/policy.ts';
import { toUsage } from '../outcome.ts';
import { beginRelease } from '../release.ts';
import type { Entry } from './entry.ts';
import type { ManagerHost } from './manager-host.ts';
import { Pausing } from './pausing.ts';

export interface ManagedCommandSetup {
  readonly entry: Entry;
  readonly policy: Policy;
  readonly host: Pick<ManagerHost, 'freeze' | 'usage'>;
  /** Its name in audit, events and live usage. */
  readonly run: string;
}

export class ManagedCommand {
  readonly #setup: ManagedCommandSetup;
  readonly #pausing: Pausing;
  readonly #startedAt = performance.now();

  constructor(setup: ManagedCommandSetup) {
    this.#setup = setup;
    const { entry, host, run } = setup;
    this.#pausing = new Pausing({
      entry,
      freeze: (frozen) => host.freeze(run, frozen),
      isEnding: () => entry.ending !== undefined || entry.isFinal,
    });
  }

  pause(): Promise<void> {
    return this.#pausing.pause();
  }

  resume(): Promise<void> {
    return this.#pausing.resume();
  }

  /** Since its sandbox was made; undefined where it is not made yet, or ended. */
  async usage(): Promise<Usage | undefined> {
    const { host, policy, run } = this.#setup;
    const raw = await host.usage(run);
    if (raw === undefined) return undefined;
    const usage = toUsage(raw, performance.now() - this.#startedAt);
    return beginRelease(policy, undefined)?.usage(usage) ?? usage;
  }
}
