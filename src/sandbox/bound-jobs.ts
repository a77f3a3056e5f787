/** Jobs of one compiled policy, bound to a workspace and an environment, and still without a command. */
import { type BindInput, bindJob } from '../plan/bind.ts';
import type { Compiled, Job } from '../plan/plan.ts';
import type { Policy } from '../policy/policy.ts';
import { type EnvironmentSource, takeEnvironment } from './caller-environment.ts';
import type { Overlay, OverlayLayer } from './overlay.ts';
import { NO_PROTECTION, type Protection } from './protect.ts';
import type { SandboxNetwork } from './sandbox-network.ts';
import type { Worktree } from './worktree.ts';

export interface BoundJobsSetup {
  readonly policy: Policy;
  readonly compiled: Compiled;
  readonly environment: EnvironmentSource;
  readonly toolchain?: BindInput['toolchain'];
  readonly worktree?: Worktree;
}

/** What a job is bound to beside its workspace. */
export interface Bound {
  readonly protection: Protection;
  readonly overlay: Overlay | undefined;
  readonly network: SandboxNetwork | undefined;
}

const ALONE: Bound = { protection: NO_PROTECTION, overlay: undefined, network: undefined };
/** Jobs kept for the environments and directories seen last. */
const KEPT_MAX = 64;

export class BoundJobs {
  readonly #setup: BoundJobsSetup;
  readonly #kept = new Map<string, Job>();

  constructor(setup: BoundJobsSetup) {
    this.#setup = setup;
  }

  /**
   * The same object as long as directory and environment are the same.
   *
   * @param workspace absolute host path without links
   */
  shared(workspace: string | undefined): Job {
    const taken = this.#environment();
    const key = `${workspace ?? ''}\0${this.#hostHome(workspace) ?? ''}\0${taken.key}`;
    let job = this.#kept.get(key);
    if (job === undefined) {
      job = this.#bind(taken.values, workspace, ALONE);
      if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
      this.#kept.set(key, job);
    }
    return job;
  }

  /** One that nobody else has. */
  own(workspace: string | undefined, bound: Bound): Job {
    return this.#bind(this.#environment().values, workspace, bound);
  }

  #environment() {
    const { environment, compiled } = this.#setup;
    return takeEnvironment(environment, compiled.job.environment.pass);
  }

  /** Where a guest that sees the host starts: in the workspace, else where its caller is. */
  #hostHome(workspace: string | undefined): string | undefined {
    return this.#setup.compiled.wall === 'process' ? undefined : (workspace ?? process.cwd());
  }

  #bind(
    env: BindInput['env'],
    workspace: string | undefined,
    { protection, overlay, network }: Bound,
  ): Job {
    const { compiled, policy, toolchain, worktree } = this.#setup;
    const binds = [
      ...(worktree === undefined ? [] : [repositoryBind(worktree, overlay?.layers[1])]),
      ...(network?.binds ?? []),
    ];
    const staged = policy.workspace.mode === 'staged' ? overlay?.staged : undefined;
    const layers = overlay?.layers[0];
    const hostHome = this.#hostHome(workspace);
    const job = bindJob(compiled.job, {
      argv: [],
      env,
      protect: protection,
      ...(workspace === undefined ? {} : { workspace }),
      ...(staged === undefined ? {} : { workspaceSource: staged }),
      ...(toolchain === undefined ? {} : { toolchain }),
      ...(hostHome === undefined ? {} : { cwd: hostHome }),
      ...(layers === undefined ? {} : { overlay: layers }),
      ...(binds.length === 0 ? {} : { binds }),
      ...(network === undefined ? {} : { set: network.variables }),
    });
    // Frozen lists are encoded once and sent as bytes from then on (protocol/encode-job.ts).
    Object.freeze(job.mounts);
    Object.freeze(job.landlock);
    return job;
  }
}

function repositoryBind(
  { repository }: Worktree,
  layers: OverlayLayer | undefined,
): NonNullable<BindInput['binds']>[number] {
  const where = { source: repository, target: repository };
  return layers === undefined
    ? { ...where, access: 'read' }
    : { ...where, access: 'write', layers };
}
