/**
 * Runs of one compiled policy: what is the same for all of them is worked out once, the workspace is bound at each.
 * Over 300 lines: a run, a process and a sandbox that stays are prepared and given up by the same steps.
 */
import type { PreparedKind, RawResult } from '../backends/backend.ts';
import { type AdmissionReport, UNCHECKED } from '../core/admission.ts';
import { newId } from '../core/ids.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Telemetry } from '../core/telemetry.ts';
import { requireEnforceable } from '../plan/accept.ts';
import type { Job } from '../plan/plan.ts';
import { BoundJobs, type BoundJobsSetup } from './bound-jobs.ts';
import type { AdmitCommand } from './commands.ts';
import { deniesPackets } from './denied-packets.ts';
import type { ExecOptions, SpawnOptions } from './exec-options.ts';
import { finishJob } from './finish-job.ts';
import { GuestProcess } from './guest-process.ts';
import type { Entry, Journal } from './journal.ts';
import {
  type Looked,
  type LookSetup,
  lookDirectly,
  lookThroughOverlay,
} from './look-at-workspace.ts';
import { type OutcomeContext, toOutcome } from './outcome.ts';
import type { Overlay } from './overlay.ts';
import type { CodeClaims, PlaceOptions } from './place-options.ts';
import type { SandboxPorts } from './ports.ts';
import { NO_PROTECTION } from './protect.ts';
import type { Redactor } from './redact.ts';
import { beginRelease, type Release } from './release.ts';
import { type NetworkOptions, publish, tiesOf, withNetwork } from './run-network.ts';
import { Sandbox } from './sandbox.ts';
import type { SandboxNetwork } from './sandbox-network.ts';
import { type PendingOptions, settleChanges } from './settle-changes.ts';

export interface RunnerSetup extends BoundJobsSetup, LookSetup {
  readonly kind: PreparedKind;
  /** Path of the launcher's program. */
  readonly launcher: string;
  /** Absent: nobody wants to know. */
  readonly journal?: Journal;
  /** Makes the network of one sandbox, where the plan has a filtered or internal one. */
  readonly network?: (
    entry: Entry,
    options: NetworkOptions,
    ports: SandboxPorts | undefined,
  ) => Promise<SandboxNetwork>;
  /** The ports of one sandbox, where it has a network namespace of its own. */
  readonly ports?: (entry: Entry) => SandboxPorts;
  /** Knows the secrets of a run, where they are kept from leaving it. */
  readonly redactor?: (options: NetworkOptions) => Redactor | undefined;
  /** Makes what is asked before each command of a sandbox that stays; absent: nothing is asked. */
  readonly admit?: (claims: CodeClaims | undefined) => AdmitCommand;
  readonly onOpen?: (sandbox: Sandbox) => void;
  readonly onClose?: (sandbox: Sandbox) => void;
  /** Absent: nobody traces its sandboxes. */
  readonly telemetry?: Telemetry;
}

/** Absolute host path without links. */
type Workspace = string | undefined;

const NOTHING_SEEN: Looked = { protection: NO_PROTECTION, overlay: undefined, accepted: [] };

/** What one sandbox alone has: its job without a command, its overlay, its network. */
interface Prepared {
  readonly base: Job;
  readonly context: OutcomeContext;
  readonly overlay: Overlay | undefined;
  readonly network: SandboxNetwork | undefined;
  readonly ports: SandboxPorts | undefined;
}

export class Runner {
  readonly #setup: RunnerSetup;
  readonly #context: OutcomeContext;
  readonly #hasOverlay: boolean;
  /** Whether the workspace's files have to be looked at before each run. */
  readonly #looks: boolean;
  readonly #jobs: BoundJobs;
  #runs = 0;

  /** @throws UNENFORCEABLE unless everything that this host cannot enforce is accepted */
  constructor(setup: RunnerSetup) {
    this.#setup = setup;
    const { compiled, policy } = setup;
    this.#jobs = new BoundJobs(setup);
    this.#context = {
      wall: compiled.wall,
      wallReason: compiled.wallReason,
      policyDigest: setup.policyDigest,
      accepted: requireEnforceable(compiled, setup.accept),
      ...(deniesPackets(policy.network) ? { tellsPackets: true } : {}),
    };
    this.#hasOverlay = compiled.job.workspace === 'overlay';
    this.#looks =
      this.#hasOverlay || (compiled.job.workspace === 'direct' && policy.protect.length > 0);
  }

  get kind(): PreparedKind {
    return this.#setup.kind;
  }

  /** How many runs it was asked for. */
  get runs(): number {
    return this.#runs;
  }

  get context(): OutcomeContext {
    return this.#context;
  }

  get policyDigest(): string {
    return this.#setup.policyDigest;
  }

  /** @param id names the run in its outcome and in what is recorded */
  async run(
    argv: readonly string[],
    options: ExecOptions & NetworkOptions & PendingOptions,
    workspace: Workspace,
    id: string,
    admission: AdmissionReport = UNCHECKED,
  ): Promise<Outcome> {
    this.#runs++;
    const { journal, kind, policy, network: networked } = this.#setup;
    using release = this.#release(options);
    const shown = release?.argv(argv) ?? argv;
    if (journal !== undefined) await this.#admit(journal, { id }, shown);
    let outcome: Outcome;
    if (this.#looks || networked !== undefined || options.publish !== undefined) {
      outcome = await this.#runLooking(argv, options, workspace, id, admission);
    } else {
      const job = finishJob(this.#jobs.shared(workspace), argv, options, policy);
      outcome = toOutcome(
        await kind.run(job, tiesOf(id, options.signal, undefined, undefined)),
        admitted(this.#context, admission),
        id,
      );
    }
    outcome = release?.outcome(outcome) ?? outcome;
    journal?.ended({ id }, shown, outcome);
    journal?.destroyed({ id }, outcome.leftBehind);
    await release?.line();
    return outcome;
  }

  async spawn(
    argv: readonly string[],
    options: SpawnOptions & NetworkOptions & PendingOptions,
    workspace: Workspace,
    id: string,
    admission: AdmissionReport = UNCHECKED,
  ): Promise<GuestProcess> {
    const { journal, kind, policy } = this.#setup;
    using unlessStarted = new DisposableStack();
    const release = unlessStarted.use(this.#release(options));
    const shown = release?.argv(argv) ?? argv;
    if (journal !== undefined) await this.#admit(journal, { id }, shown);
    const streams = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;
    const prepared = await this.#prepare(workspace, { id }, options);
    const { base, context, overlay, network, ports } = prepared;
    const job = finishJob(base, argv, { ...options, ...streams }, policy);
    const { background = false } = options;
    const ties = { ...tiesOf(id, options.signal, network, ports), background };
    const execution = kind.spawn(job, ties);
    execution.result
      .catch(async () => {
        release?.[Symbol.dispose]();
        await abandon(prepared);
      })
      // What could not be removed goes at the next start; nobody waits here.
      .catch(() => {});
    const finish = async (raw: RawResult): Promise<Outcome> => {
      using _ = release;
      await ports?.close();
      const made = toOutcome(raw, admitted(context, admission), id);
      const outcome = await withNetwork(made, raw, network);
      const kept = overlay === undefined ? outcome : await this.#settle(overlay, outcome, options);
      const settled = release?.outcome(kept) ?? kept;
      journal?.ended({ id }, shown, settled);
      journal?.destroyed({ id }, settled.leftBehind);
      await release?.line();
      return settled;
    };
    const connect = ports === undefined ? undefined : (port: number) => ports.connect(port);
    unlessStarted.move();
    return new GuestProcess(release?.execution(execution) ?? execution, finish, connect);
  }

  #release(options: NetworkOptions): Release | undefined {
    const redactor = this.#setup.redactor?.(options);
    try {
      return beginRelease(this.#setup.policy, redactor);
    } finally {
      // From here on it is the release's.
      redactor?.close();
    }
  }

  async #admit(journal: Journal, entry: Entry, argv: readonly string[]): Promise<void> {
    await journal.ready();
    journal.created(entry, this.#context.accepted);
    journal.started(entry, argv);
  }

  /** A sandbox that stays; `from`: the changes that it starts with. */
  async open(
    workspace: Workspace,
    options: NetworkOptions & Pick<PlaceOptions, 'claims'> = {},
    from?: Overlay,
  ): Promise<Sandbox> {
    const id = newId('sandbox');
    const { journal, kind } = this.#setup;
    await journal?.ready();
    const prepared = await this.#prepare(workspace, { id }, options, from);
    const { base, context, overlay, network, ports } = prepared;
    journal?.created({ id }, context.accepted);
    try {
      const open = kind.open(base, tiesOf(id, undefined, network, ports));
      await open.opened;
      await Promise.all([network?.opened, ports?.settled()]);
      // What was mounted when it was opened stays; commands bring only what is theirs.
      const inside: Job = { ...base, mounts: [] };
      const { policy, launcher, onOpen, onClose, state, admit, telemetry } = this.#setup;
      const redactor = this.#setup.redactor?.(options);
      const sandbox = new Sandbox({
        id,
        open,
        context: {
          ...context,
          ...(context.tellsPackets === true ? { toldPackets: new Map() } : {}),
        },
        bind: (argv, exec) => finishJob(inside, argv, exec, policy),
        cwd: base.cwd,
        launcher,
        release: () => beginRelease(policy, redactor),
        ...(redactor === undefined ? {} : { redactor }),
        ...(journal === undefined ? {} : { journal }),
        ...(admit === undefined ? {} : { admit: admit(options.claims) }),
        ...(network === undefined ? {} : { network }),
        ...(ports === undefined ? {} : { ports }),
        ...(onClose === undefined ? {} : { onClose }),
        ...(telemetry === undefined ? {} : { telemetry }),
        ...(overlay === undefined
          ? {}
          : {
              overlay,
              reopen: (copy: Overlay) => this.open(workspace, options, copy),
              copyOverlay: (original: Overlay, signal?: AbortSignal) =>
                original.copy(state, signal),
            }),
      });
      onOpen?.(sandbox);
      return sandbox;
    } catch (error) {
      await abandon(prepared);
      throw error;
    }
  }

  async #prepare(
    workspace: Workspace,
    entry: Entry,
    options: NetworkOptions,
    from?: Overlay,
  ): Promise<Prepared> {
    const { protection, overlay, accepted } = await this.#look(workspace, from);
    const ports = this.#setup.ports?.(entry);
    let network: SandboxNetwork | undefined;
    try {
      network = await this.#setup.network?.(entry, options, ports);
      await publish(ports, options);
      const alone = this.#looks || network?.isPlain === false;
      const base = alone
        ? this.#jobs.own(workspace, { protection, overlay, network })
        : this.#jobs.shared(workspace);
      return { base, context: this.#contextWith(accepted), overlay, network, ports };
    } catch (error) {
      await abandon({ overlay, network, ports });
      throw error;
    }
  }

  #contextWith(accepted: OutcomeContext['accepted']): OutcomeContext {
    if (accepted.length === 0) return this.#context;
    return { ...this.#context, accepted: [...this.#context.accepted, ...accepted] };
  }

  async #runLooking(
    argv: readonly string[],
    options: ExecOptions & NetworkOptions & PendingOptions,
    workspace: Workspace,
    id: string,
    admission: AdmissionReport,
  ): Promise<Outcome> {
    const prepared = await this.#prepare(workspace, { id }, options);
    const { base, context, overlay, network, ports } = prepared;
    let outcome: Outcome;
    try {
      const { kind, policy } = this.#setup;
      const job = finishJob(base, argv, options, policy);
      const raw = await kind.run(job, tiesOf(id, options.signal, network, ports));
      await ports?.close();
      outcome = await withNetwork(toOutcome(raw, admitted(context, admission), id), raw, network);
    } catch (error) {
      await abandon(prepared);
      throw error;
    }
    // From here on the changes are somebody's work: a failure of ours leaves them pending.
    return overlay === undefined ? outcome : await this.#settle(overlay, outcome, options);
  }

  #settle(overlay: Overlay, outcome: Outcome, options: PendingOptions): Promise<Outcome> {
    const { policy, launcher } = this.#setup;
    return settleChanges(overlay, outcome, policy, launcher, options);
  }

  async #look(workspace: Workspace, from: Overlay | undefined): Promise<Looked> {
    if (!this.#looks || workspace === undefined) return NOTHING_SEEN;
    return this.#hasOverlay
      ? await lookThroughOverlay(this.#setup, workspace, from)
      : await lookDirectly(this.#setup, workspace);
  }
}

/** Nothing came of it. */
async function abandon({
  overlay,
  network,
  ports,
}: Pick<Prepared, 'overlay' | 'network' | 'ports'>): Promise<void> {
  await ports?.close();
  await network?.close(undefined);
  await overlay?.discard();
}

/** Most runs are asked nothing: theirs is the context as it is. */
export function admitted(context: OutcomeContext, admission: AdmissionReport): OutcomeContext {
  if (admission.decision === 'unchecked') return context;
  const why =
    admission.decision === 'strengthened'
      ? { wallReason: `${context.wallReason}; strengthened for a score of ${admission.score}` }
      : {};
  return { ...context, ...why, admission };
}
