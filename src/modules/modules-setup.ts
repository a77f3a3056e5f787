/** What compose gives a registry to stand on. */
import type { Program } from '../backends/program.ts';
import type { Admission, AdmissionReport, Candidate } from '../core/admission.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Observer } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Policy } from '../policy/policy.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import type { EvaluateOptions } from '../sandbox/evaluator.ts';
import type { ExecOptions } from '../sandbox/exec-options.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyInput } from '../sandbox/policy-book.ts';
import type { ModuleStore } from '../store/module-record.ts';
import type { ModuleCeilings } from './module-schemas.ts';

/** Where modules are executed: its place is the registry's. */
export interface Executor {
  readonly evaluate: (
    program: Program,
    options: EvaluateOptions,
    admission: AdmissionReport,
  ) => Promise<Evaluation>;
  readonly run: (
    argv: readonly string[],
    policy: Policy,
    options: ExecOptions,
    admission: AdmissionReport,
  ) => Promise<Outcome>;
}

export interface ModulesSetup {
  readonly evaluate: (
    program: Program,
    options: EvaluateOptions & PlaceOptions,
    admission: AdmissionReport,
  ) => Promise<Evaluation>;
  readonly run: (
    argv: readonly string[],
    options: ExecOptions & PlaceOptions,
    admission: AdmissionReport,
  ) => Promise<Outcome>;
  /** By what the policy asks, or else the usual; never rejects. `untilMs`: Unix ms, then it has to be asked again. */
  readonly admit: (
    candidate: Candidate,
    policy: Policy,
    place: Pick<PlaceOptions, 'tenant' | 'workspace'>,
  ) => Promise<{ readonly report: AdmissionReport; readonly untilMs: number }>;
  readonly observer: Observer | undefined;
  readonly telemetry?: Telemetry | undefined;
  /** Rejects where nothing can be recorded any more. */
  readonly recorded: () => Promise<void> | undefined;
  readonly policy: (input: PolicyInput) => Promise<Policy>;
  /** Where the database is when nobody says where. */
  readonly stateDirectory: string;
  readonly onClose: () => unknown;
}

/** What is executed stands behind `policy`; the limits of a module are within the policy's own. */
export interface ModulesOptions extends PlaceOptions {
  /** The database's file, made where it is missing; default `modules.db` in the state directory. */
  readonly path?: string;
  /** Default: 100 KB of code, 30 s, 512 MiB. */
  readonly ceilings?: ModuleCeilings;
  /** Asked when a module is registered and when it is loaded, instead of what the policy asks. */
  readonly admission?: Admission;
  /** Where modules are kept; default: SQLite, at `path`. */
  readonly store?: ModuleStore;
}

/** Everything that a registry executes happens in its place. */
export function executorOf(setup: ModulesSetup, { policy, ...place }: PlaceOptions): Executor {
  const here = policy === undefined ? place : { ...place, policy };
  return {
    evaluate: (program, options, admission) =>
      setup.evaluate(program, { ...options, ...here }, admission),
    run: (argv, limited, options, admission) =>
      setup.run(argv, { ...options, ...place, policy: limited }, admission),
  };
}
