/**
 * The process wall: Linux namespaces, seccomp, Landlock, cgroups, through the launcher.
 */
import { CaissonError } from '../../core/error.ts';
import type { LauncherClient, PlanHandle } from '../../launcher/client.ts';
import type { RawResult } from '../../launcher/protocol/decode-result.ts';
import { encodePlan } from '../../launcher/protocol/encode-plan.ts';
import type { HostFacts } from '../../plan/facts.ts';
import type { Compiled, Job } from '../../plan/plan.ts';
import { wallState } from '../../plan/select.ts';
import type {
  Backend,
  Execution,
  OpenSandbox,
  PreparedKind,
  PrepareOptions,
  Readiness,
} from '../backend.ts';

export class ProcessBackend implements Backend {
  readonly wall = 'process';
  readonly can = {
    streams: true,
    terminal: true,
    open: true,
    files: true,
    freeze: true,
    overlay: true,
  };
  readonly #start: () => LauncherClient;
  #client: LauncherClient | undefined;

  /** @param start starts a launcher; called again when the last one has ended. */
  constructor(start: () => LauncherClient) {
    this.#start = start;
  }

  ready(facts: HostFacts): Readiness {
    return wallState('process', facts);
  }

  prepare(compiled: Compiled, options: PrepareOptions = {}): PreparedKind {
    if (compiled.wall !== 'process') {
      throw new CaissonError('INTERNAL', {
        layer: 'backends',
        message: `the process backend was given a plan for the wall ${compiled.wall}`,
      });
    }
    return new ProcessKind(() => this.#live(), encodePlan(compiled.kind), options);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  /** A launcher that died took its sandboxes with it; the next run gets a new one. */
  #live(): LauncherClient {
    if (this.#client === undefined || this.#client.isGone) this.#client = this.#start();
    return this.#client;
  }
}

class ProcessKind implements PreparedKind {
  readonly #live: () => LauncherClient;
  readonly #plan: Buffer;
  readonly #options: PrepareOptions;
  #at: { client: LauncherClient; handle: PlanHandle } | undefined;

  constructor(live: () => LauncherClient, plan: Buffer, options: PrepareOptions) {
    this.#live = live;
    this.#plan = plan;
    this.#options = options;
  }

  get ready(): Promise<void> {
    return this.#handle().handle.ready;
  }

  run(job: Job, signal?: AbortSignal): Promise<RawResult> {
    const { client, handle } = this.#handle();
    return client.run(handle, job, signal);
  }

  spawn(job: Job, signal?: AbortSignal): Execution {
    const { client, handle } = this.#handle();
    return client.spawn(handle, job, signal);
  }

  open(job: Job): OpenSandbox {
    const { client, handle } = this.#handle();
    return client.openSandbox(handle, job);
  }

  async close(): Promise<void> {
    const at = this.#at;
    this.#at = undefined;
    if (at !== undefined) await at.client.forgetPlan(at.handle);
  }

  #handle(): { client: LauncherClient; handle: PlanHandle } {
    const client = this.#live();
    if (this.#at?.client !== client) {
      this.#at = { client, handle: client.preparePlan(this.#plan, this.#options) };
    }
    return this.#at;
  }
}
