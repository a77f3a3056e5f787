/**
 * The walls `child` and `none`: the host as the caller sees it, through the launcher's `child` mode, which keeps time,
 * rlimits and cgroups and ends the whole tree of processes, daemons too. `none` has neither limits nor no_new_privs.
 */
import { CaissonError } from '../../core/error.ts';
import type { LauncherClient } from '../../launcher/client.ts';
import { encodeHostPlan } from '../../launcher/protocol/encode-host-plan.ts';
import type { HostFacts } from '../../plan/facts.ts';
import type { Compiled } from '../../plan/plan.ts';
import { wallState } from '../../plan/select.ts';
import type { Backend, PreparedKind, PrepareOptions, Readiness } from '../backend.ts';
import { LauncherKind } from '../launcher-kind.ts';

export class ChildBackend implements Backend {
  readonly wall: 'child' | 'none';
  readonly can = {
    streams: true,
    terminal: true,
    open: true,
    files: true,
    freeze: false,
    overlay: false,
  };
  readonly #start: () => LauncherClient;
  #client: LauncherClient | undefined;

  /** @param start starts a launcher in its `child` mode; called again when the last one has ended. */
  constructor(wall: 'child' | 'none', start: () => LauncherClient) {
    this.wall = wall;
    this.#start = start;
  }

  ready(facts: HostFacts): Readiness {
    return wallState(this.wall, facts);
  }

  prepare(compiled: Compiled, options: PrepareOptions = {}): PreparedKind {
    if (compiled.wall !== this.wall) {
      throw new CaissonError('INTERNAL', {
        layer: 'backends',
        message: `the backend of the wall ${this.wall} was given a plan for the wall ${compiled.wall}`,
      });
    }
    return new LauncherKind(() => this.#live(), encodeHostPlan(compiled.child), options);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  #live(): LauncherClient {
    if (this.#client === undefined || this.#client.isGone) this.#client = this.#start();
    return this.#client;
  }
}
