/**
 * The process wall: Linux namespaces, seccomp, Landlock, cgroups, through the launcher.
 */
import { CaissonError } from '../../core/error.ts';
import type { LauncherClient } from '../../launcher/client.ts';
import { encodePlan } from '../../launcher/protocol/encode-plan.ts';
import type { HostFacts } from '../../plan/facts.ts';
import type { Compiled } from '../../plan/plan.ts';
import { wallState } from '../../plan/select.ts';
import type { Backend, PreparedKind, PrepareOptions, Readiness } from '../backend.ts';
import { LauncherKind } from '../launcher-kind.ts';

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
    return new LauncherKind(() => this.#live(), encodePlan(compiled.kind), options);
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
