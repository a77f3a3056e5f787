/**
 * A kind of sandbox that a launcher holds, for every wall that a launcher carries out.
 */
import type { LauncherClient, PlanHandle } from '../launcher/client.ts';
import type { RawResult } from '../launcher/protocol/decode-result.ts';
import type { Ties } from '../launcher/ties.ts';
import type { Job } from '../plan/plan.ts';
import type { Execution, OpenSandbox, PreparedKind, PrepareOptions } from './backend.ts';

export class LauncherKind implements PreparedKind {
  readonly #live: () => LauncherClient;
  readonly #plan: Uint8Array;
  #options: PrepareOptions;
  #at: { client: LauncherClient; handle: PlanHandle } | undefined;

  /**
   * @param live the launcher to use, another one when the last has ended: the plan is handed over again
   * @param plan as the launcher reads it
   */
  constructor(live: () => LauncherClient, plan: Uint8Array, options: PrepareOptions) {
    this.#live = live;
    this.#plan = plan;
    this.#options = options;
  }

  get ready(): Promise<void> {
    return this.#handle().handle.ready;
  }

  run(job: Job, ties?: Ties): Promise<RawResult> {
    const { client, handle } = this.#handle();
    return client.run(handle, job, ties);
  }

  spawn(job: Job, ties?: Ties): Execution {
    const { client, handle } = this.#handle();
    return client.spawn(handle, job, ties);
  }

  open(job: Job, ties?: Ties): OpenSandbox {
    const { client, handle } = this.#handle();
    return client.openSandbox(handle, job, ties);
  }

  keepReady(slots: number): void {
    this.#options = { ...this.#options, slots };
    if (this.#at !== undefined) this.#at.client.resizePlan(this.#at.handle, this.#plan, slots);
  }

  async close(): Promise<void> {
    const at = this.#at;
    this.#at = undefined;
    if (at !== undefined) await at.client.forgetPlan(at.handle);
  }

  #handle(): { client: LauncherClient; handle: PlanHandle } {
    const client = this.#live();
    if (this.#at?.client === client) return this.#at;
    const at = { client, handle: client.preparePlan(this.#plan, this.#options) };
    this.#at = at;
    // What kept the launcher from taking it may have been of that moment: the next one hands it over again.
    at.handle.ready.catch(() => {
      if (this.#at === at) this.#at = undefined;
    });
    return at;
  }
}
