/**
 * Commands of a sandbox that stays: each is looked at where the policy asks for it, recorded, bound and started, and what it
 * gives back goes out as the policy says.
 */
import type { CommandRequest } from '../admission/command-candidate.ts';
import type { OpenSandbox } from '../backends/backend.ts';
import type { AdmissionReport } from '../core/admission.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Ties } from '../launcher/ties.ts';
import type { Job } from '../plan/plan.ts';
import { deferredExecution } from './deferred-execution.ts';
import type { ExecOptions, SpawnOptions } from './exec-options.ts';
import { GuestProcess } from './guest-process.ts';
import type { Entry, Journal } from './journal.ts';
import { type OutcomeContext, toOutcome } from './outcome.ts';
import type { GuestExecution, Release } from './release.ts';
import type { SandboxNetwork } from './sandbox-network.ts';

/** A command as a sandbox asks about it. */
export interface InsideRequest extends Omit<CommandRequest, 'read' | 'source'> {
  /** A file inside, as the guest would find it. */
  readonly read: (path: string) => Promise<Uint8Array>;
  readonly cwd: string | undefined;
}

/** Whether a command may run in a sandbox that is open: rejects where it may not. */
export type AdmitCommand = (request: InsideRequest) => Promise<AdmissionReport>;

export interface CommandsSetup {
  /** Of the sandbox. */
  readonly id: string;
  readonly open: OpenSandbox;
  readonly context: OutcomeContext;
  /** A job in this sandbox: nothing to be mounted any more. */
  readonly bind: (
    argv: readonly string[],
    options: ExecOptions & Partial<Pick<Job, 'stdin' | 'stdout' | 'stderr' | 'pty'>>,
  ) => Job;
  /** Asked before each command; absent: nothing is asked. */
  readonly admit?: AdmitCommand;
  /** What leaves a command that is asked for now; undefined: everything, at once. */
  readonly release?: () => Release | undefined;
  readonly journal?: Journal;
  readonly network?: SandboxNetwork;
}

const STREAMS = { stdin: 'stream', stdout: 'stream', stderr: 'stream' } as const;

export class Commands {
  readonly #setup: CommandsSetup;
  readonly #read: InsideRequest['read'];
  readonly #needOpen: () => void;

  /** @param needOpen throws once the sandbox is closed */
  constructor(setup: CommandsSetup, read: InsideRequest['read'], needOpen: () => void) {
    this.#setup = setup;
    this.#read = read;
    this.#needOpen = needOpen;
  }

  async exec(argv: readonly string[], options: ExecOptions): Promise<Outcome> {
    const { open, bind, journal } = this.#setup;
    const entry = this.#entry();
    const asked = { argv, input: options.input, cwd: options.cwd };
    const context = await this.#admitted(entry, asked, options.signal);
    using release = this.#setup.release?.();
    const shown = release?.argv(argv) ?? argv;
    if (journal !== undefined) {
      await journal.ready();
      journal.started(entry, shown);
    }
    try {
      const raw = await open.run(bind(argv, options), this.#ties(options.signal));
      const full = this.#withRefusals(toOutcome(raw, context, entry.id));
      const outcome = release?.outcome(full) ?? full;
      journal?.ended(entry, shown, outcome);
      await release?.line();
      return outcome;
    } catch (error) {
      if (isCaissonError(error)) journal?.refused(entry, error);
      throw error;
    }
  }

  spawn(argv: readonly string[], options: SpawnOptions): GuestProcess {
    const { open, bind, journal, admit } = this.#setup;
    const entry = this.#entry();
    const job = bind(argv, { ...options, ...STREAMS });
    const release = this.#setup.release?.();
    const shown = release?.argv(argv) ?? argv;
    let { context } = this.#setup;
    const start = (): GuestExecution => {
      journal?.started(entry, shown);
      const execution = open.spawn(job, this.#ties(options.signal));
      execution.result.catch((error) => {
        if (isCaissonError(error)) journal?.refused(entry, error);
      });
      return release?.execution(execution) ?? execution;
    };
    const startAdmitted = async (): Promise<GuestExecution> => {
      const asked = { argv, input: { unseen: true }, cwd: options.cwd } as const;
      context = await this.#admitted(entry, asked, options.signal);
      return start();
    };
    const execution = admit === undefined ? start() : deferredExecution(startAdmitted());
    execution.result.catch(() => release?.[Symbol.dispose]());
    return new GuestProcess(execution, async (raw) => {
      using _ = release;
      const full = this.#withRefusals(toOutcome(raw, context, entry.id));
      const outcome = release?.outcome(full) ?? full;
      journal?.ended(entry, shown, outcome);
      await release?.line();
      return outcome;
    });
  }

  /** A shell is recorded as one command; what it is told to do is its input. */
  shell(argv: readonly string[], cwd: string | undefined): GuestExecution {
    const { open, bind, context, journal } = this.#setup;
    const entry = this.#entry();
    const where = cwd === undefined ? {} : { cwd };
    const job = bind(argv, { ...where, ...STREAMS });
    journal?.started(entry, argv);
    const execution = open.spawn(job, this.#ties(undefined));
    execution.result.then(
      (raw) => journal?.ended(entry, argv, toOutcome(raw, context, entry.id)),
      (error) => isCaissonError(error) && journal?.refused(entry, error),
    );
    using release = this.#setup.release?.();
    return release?.shell(execution) ?? execution;
  }

  /**
   * What a shell is told to do is looked at as code of a shell, together with what it was told before. Nothing of the
   * program: that is ours. Undefined where nothing is asked.
   *
   * @throws ADMISSION_REFUSED
   */
  async shellCommand(
    command: string,
    earlier: string,
    cwd: string | undefined,
  ): Promise<AdmissionReport | undefined> {
    const argv = ['sh', '-c', command];
    return (await this.#admitted(this.#entry(), { argv, input: undefined, earlier, cwd }))
      .admission;
  }

  #entry(): Entry {
    return { id: newId('run'), sandbox: this.#setup.id };
  }

  /** @throws ADMISSION_REFUSED, ABORTED, SANDBOX_CLOSED */
  async #admitted(
    entry: Entry,
    request: Omit<InsideRequest, 'read'>,
    signal?: AbortSignal,
  ): Promise<OutcomeContext> {
    const { admit, context, journal } = this.#setup;
    if (admit === undefined) return context;
    try {
      const admission = await admit({ ...request, read: this.#read });
      await journal?.ready();
      // Nobody waited for it meanwhile.
      this.#needOpen();
      if (signal?.aborted === true) {
        throw new CaissonError('ABORTED', { layer: 'sandbox', cause: signal.reason });
      }
      return { ...context, admission };
    } catch (error) {
      if (isCaissonError(error)) journal?.refused(entry, error);
      throw error;
    }
  }

  #ties(signal: AbortSignal | undefined): Ties {
    const denied = this.#setup.network?.denied();
    return {
      ...(signal === undefined ? {} : { signal }),
      ...(denied === undefined ? {} : { denied }),
    };
  }

  /** What the network refused since the last command that ended. */
  #withRefusals(outcome: Outcome): Outcome {
    const refused = this.#setup.network?.takeViolations() ?? [];
    if (refused.length === 0) return outcome;
    return { ...outcome, violations: [...outcome.violations, ...refused] };
  }
}
