/**
 * The way of a request: from what a caller asks, over its policy, its place and its admission, to whatever carries it out.
 * Everything that is refused on the way is recorded.
 */
import type { CommandRequest } from '../admission/command-candidate.ts';
import type { Program } from '../backends/program.ts';
import type { AdmissionReport } from '../core/admission.ts';
import { isCaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Recorder } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateOptions } from '../sandbox/evaluator.ts';
import type { ExecOptions, SpawnOptions } from '../sandbox/exec-options.ts';
import type { GuestProcess } from '../sandbox/guest-process.ts';
import { type Place, type PlaceFinder, workspaceOf } from '../sandbox/place.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyBook, PolicyEntry } from '../sandbox/policy-book.ts';
import type { Programs } from '../sandbox/programs.ts';
import { requireArgv } from '../sandbox/require-argv.ts';
import { Runner } from '../sandbox/run.ts';
import type { NetworkOptions } from '../sandbox/run-network.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { PendingOptions } from '../sandbox/settle-changes.ts';
import type { AdmissionGate, Admitted } from './admission-gate.ts';
import { scriptsOutside } from './guest-scripts.ts';
import { closedError } from './launchers.ts';
import { ANY_COMMAND, commandOf, type Runners } from './runners.ts';
import { requestOf, tracedAdmission, tracedCreate, tracedRequest, tracedStart } from './steps.ts';

export interface RunOptions extends ExecOptions, PlaceOptions, NetworkOptions, PendingOptions {}
export interface SpawnRunOptions
  extends SpawnOptions,
    PlaceOptions,
    NetworkOptions,
    PendingOptions {}
export interface CreateOptions extends PlaceOptions, NetworkOptions {}

export interface RequestsSetup {
  readonly book: PolicyBook;
  readonly places: PlaceFinder;
  readonly runners: Runners;
  readonly programs: Programs;
  readonly gate: AdmissionGate;
  readonly recorder: Recorder | undefined;
  /** Absent: nobody traces anything. */
  readonly telemetry: Telemetry | undefined;
  readonly isClosed: () => boolean;
}

/** How a program is evaluated behind the stronger wall, whatever was asked for. */
const ALONE = { keep: 'nothing', placement: 'process' } as const;

export class Requests {
  readonly #setup: RequestsSetup;
  readonly #telemetry: Telemetry | undefined;

  constructor(setup: RequestsSetup) {
    this.#setup = setup;
    this.#telemetry = setup.telemetry;
  }

  /** @param source that the command was made of */
  async run(
    argv: readonly string[],
    options: RunOptions,
    id: string,
    decided?: AdmissionReport,
    source?: CommandRequest['source'],
  ): Promise<Outcome> {
    this.#requireArgv(argv, options, id);
    if (this.#telemetry === undefined)
      return await this.#runOne(argv, options, id, decided, source);
    return await tracedRequest(this.#telemetry, 'caisson.run', requestOf(options, argv), () =>
      this.#runOne(argv, options, id, decided, source),
    );
  }

  #requireArgv(argv: readonly string[], options: PlaceOptions, id: string): void {
    try {
      requireArgv(argv);
    } catch (error) {
      throw this.refused(id, options, error);
    }
  }

  async #runOne(
    argv: readonly string[],
    options: RunOptions,
    id: string,
    decided: AdmissionReport | undefined,
    source: CommandRequest['source'],
  ): Promise<Outcome> {
    try {
      let entry =
        this.#known(options) ?? (await this.#setup.book.entry(options.policy ?? 'strict'));
      let place = this.#setup.places.find(entry.policy, workspaceOf(options.workspace), argv[0]);
      let report = decided;
      if (
        entry.policy.admission !== undefined ||
        decided !== undefined ||
        this.#telemetry !== undefined
      ) {
        const made = source === undefined ? {} : { source };
        const asked = { argv, input: options.input, ...made };
        const admitted = await this.#admitted(entry, asked, options, place, decided);
        ({ report } = admitted);
        if (admitted.isStrengthened) {
          entry = admitted.entry;
          place = this.#setup.places.find(entry.policy, place.workspace, argv[0]);
        }
      }
      const found = this.#setup.runners.find(entry, options, place);
      const runner = found instanceof Runner ? found : await found;
      const words = commandOf(argv, place);
      const outcome = await runner.run(words, options, place.workspace, id, report);
      if (runner.runs === 2) this.#setup.runners.keepWarm(runner);
      return outcome;
    } catch (error) {
      throw this.refused(id, options, error);
    }
  }

  async spawn(
    argv: readonly string[],
    options: SpawnRunOptions,
    id: string,
  ): Promise<GuestProcess> {
    this.#requireArgv(argv, options, id);
    if (this.#telemetry === undefined) return await this.#spawnOne(argv, options, id);
    return await tracedStart(this.#telemetry, requestOf(options, argv), () =>
      this.#spawnOne(argv, options, id),
    );
  }

  async #spawnOne(
    argv: readonly string[],
    options: SpawnRunOptions,
    id: string,
  ): Promise<GuestProcess> {
    try {
      let entry =
        this.#known(options) ?? (await this.#setup.book.entry(options.policy ?? 'strict'));
      let place = this.#setup.places.find(entry.policy, workspaceOf(options.workspace), argv[0]);
      let report: AdmissionReport | undefined;
      if (entry.policy.admission !== undefined || this.#telemetry !== undefined) {
        const asked = { argv, input: { unseen: true } } as const;
        const admitted = await this.#admitted(entry, asked, options, place);
        ({ report } = admitted);
        if (admitted.isStrengthened) {
          entry = admitted.entry;
          place = this.#setup.places.find(entry.policy, place.workspace, argv[0]);
        }
      }
      const runner = await this.#setup.runners.find(entry, options, place);
      const words = commandOf(argv, place);
      const guest = await runner.spawn(words, options, place.workspace, id, report);
      guest.outcome.catch((error) => this.refused(id, options, error));
      return guest;
    } catch (error) {
      throw this.refused(id, options, error);
    }
  }

  /** @param decided of the module that it is, where it is one */
  evaluate(
    program: () => Program,
    options: EvaluateOptions & PlaceOptions,
    decided?: AdmissionReport,
  ): Promise<Evaluation> {
    if (this.#telemetry === undefined) return this.#evaluateOne(program, options, decided);
    return tracedRequest(this.#telemetry, 'caisson.evaluate', requestOf(options), () =>
      this.#evaluateOne(program, options, decided),
    );
  }

  async #evaluateOne(
    program: () => Program,
    options: EvaluateOptions & PlaceOptions,
    decided: AdmissionReport | undefined,
  ): Promise<Evaluation> {
    const id = newId('run');
    try {
      const entry =
        this.#known(options) ?? (await this.#setup.book.entry(options.policy ?? 'strict'));
      const found =
        this.#telemetry === undefined
          ? this.#admitProgram(entry, program, options, decided)
          : tracedAdmission(this.#telemetry, () =>
              this.#admitProgram(entry, program, options, decided),
            );
      const admitted = found instanceof Promise ? await found : found;
      const { report, isStrengthened } = admitted;
      const evaluator = this.#setup.programs.evaluator(admitted.entry, options, isStrengthened);
      const behind = isStrengthened ? { ...options, ...ALONE } : options;
      return await evaluator.evaluate(program(), behind, id, report);
    } catch (error) {
      throw this.refused(id, options, error);
    }
  }

  #admitProgram(
    entry: PolicyEntry,
    program: () => Program,
    options: EvaluateOptions & PlaceOptions,
    decided: AdmissionReport | undefined,
  ): Admitted | Promise<Admitted> {
    return decided === undefined
      ? this.#setup.gate.program(entry, program, options)
      : this.#setup.gate.placed(entry, decided, 'the module');
  }

  async create(where: CreateOptions): Promise<Sandbox> {
    if (this.#telemetry === undefined) return await this.#create(where);
    return await tracedCreate(this.#telemetry, requestOf(where), () => this.#create(where));
  }

  async #create(where: CreateOptions): Promise<Sandbox> {
    try {
      const entry = this.#known(where) ?? (await this.#setup.book.entry(where.policy ?? 'strict'));
      const place = this.#setup.places.find(
        entry.policy,
        workspaceOf(where.workspace),
        ANY_COMMAND,
      );
      const runner = await this.#setup.runners.find(entry, where, place);
      return await runner.open(place.workspace, where);
    } catch (error) {
      throw this.refused(newId('sandbox'), where, error);
    }
  }

  /** @param decided of the module that it is: the stricter of both holds */
  #admitted(
    entry: PolicyEntry,
    asked: Omit<CommandRequest, 'read'>,
    options: RunOptions | SpawnRunOptions,
    place: Place,
    decided?: AdmissionReport,
  ): Promise<Admitted> {
    if (this.#telemetry === undefined) return this.#admit(entry, asked, options, place, decided);
    return tracedAdmission(this.#telemetry, () =>
      this.#admit(entry, asked, options, place, decided),
    );
  }

  async #admit(
    entry: PolicyEntry,
    asked: Omit<CommandRequest, 'read'>,
    options: RunOptions | SpawnRunOptions,
    place: Place,
    decided: AdmissionReport | undefined,
  ): Promise<Admitted> {
    const own = decided ?? { decision: 'unchecked' };
    const before = await this.#setup.gate.placed(entry, own, asked.argv[0] ?? '');
    if (entry.policy.admission === undefined) return before;
    const read = scriptsOutside(entry.policy, place, options.cwd);
    const now = await this.#setup.gate.command(entry, { ...asked, read }, options);
    return before.isStrengthened ? before : now;
  }

  /** Recorded, and handed back to be thrown. */
  refused(id: string, { tenant }: PlaceOptions, error: unknown): unknown {
    if (!isCaissonError(error)) return error;
    const { code, message } = error;
    const about = tenant === undefined ? { id } : { id, tenant };
    this.#setup.recorder?.observer({ kind: 'refused', code, message, ...about });
    return error;
  }

  #known(options: PlaceOptions): PolicyEntry | undefined {
    if (this.#setup.isClosed()) throw closedError();
    return this.#setup.book.known(options.policy ?? 'strict');
  }
}
