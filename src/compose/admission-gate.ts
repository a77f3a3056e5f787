/**
 * Asked before code runs: nothing where the policy says nothing of admission. What was decided is remembered by policy and
 * code, so that a program that runs often is looked at once.
 */
import type { Decide, Decided } from '../admission/admission.ts';
import type { CommandRequest } from '../admission/command-candidate.ts';
import type { Program } from '../backends/program.ts';
import { type AdmissionReport, type Candidate, UNCHECKED } from '../core/admission.ts';
import { CaissonError } from '../core/error.ts';
import { newId } from '../core/ids.ts';
import type { Recorder } from '../core/ports.ts';
import { writableBy } from '../modules/out-of-reach.ts';
import { USUAL } from '../policy/admission.ts';
import type { Policy } from '../policy/policy.ts';
import { strengthen } from '../policy/strengthen.ts';
import { type EvaluateLimits, limitsOf } from '../sandbox/evaluator.ts';
import type { PlaceOptions } from '../sandbox/place-options.ts';
import type { PolicyBook, PolicyEntry } from '../sandbox/policy-book.ts';
import type { CaissonAdmissionOptions } from './admission-options.ts';
import type { Checks } from './admission-parts.ts';
import { type Certified, claimsOf, isPlain, limitsOfCommand } from './code-claims.ts';

/** Code that may run, and what it stands behind. */
export interface Admitted {
  readonly report: AdmissionReport;
  readonly entry: PolicyEntry;
  readonly isStrengthened: boolean;
}

export interface AdmissionGateSetup {
  readonly options: CaissonAdmissionOptions;
  readonly book: PolicyBook;
  readonly recorder: Recorder | undefined;
  readonly state: () => string;
}

interface Remembered {
  readonly decided: Promise<Decided>;
  untilMs: number;
}

const REMEMBERED = 10_000;

export class AdmissionGate {
  readonly #setup: AdmissionGateSetup;
  readonly #remembered = new Map<string, Remembered>();
  readonly #programs = new WeakMap<
    Program,
    WeakMap<PolicyEntry, { admitted: Admitted; untilMs: number }>
  >();
  #checks: Promise<{ checks: Checks; decide: Decide }> | undefined;

  constructor(setup: AdmissionGateSetup) {
    this.#setup = setup;
  }

  /** @throws ADMISSION_REFUSED */
  program(
    entry: PolicyEntry,
    program: () => Program,
    options: PlaceOptions & Certified,
  ): Admitted | Promise<Admitted> {
    if (entry.policy.admission === undefined) return unasked(entry);
    const made = program();
    if (!isPlain(options)) return this.#program(entry, made, options);
    const known = this.#programs.get(made)?.get(entry);
    if (known !== undefined && this.#now() < known.untilMs) return known.admitted;
    return this.#program(entry, made, options);
  }

  /** @throws ADMISSION_REFUSED */
  async command(
    entry: PolicyEntry,
    request: CommandRequest,
    options: PlaceOptions & Pick<EvaluateLimits, 'timeoutMs'>,
  ): Promise<Admitted> {
    const { admission } = entry.policy;
    if (admission === undefined) return unasked(entry);
    const { commandCandidate } = await import('../admission/command-candidate.ts');
    const { name = request.argv[0] ?? '', ...claims } = options.claims ?? {};
    const limits = limitsOfCommand(entry.policy, options.timeoutMs);
    const candidate = await commandCandidate(name, request, { limits, ...claims });
    const { report } = await this.#decide(candidate, entry.policy, options);
    this.#tell(report, candidate, entry.digest, options.tenant);
    return await this.#placed(entry, report, candidate.name);
  }

  /** In a sandbox that stays, whose wall cannot be changed any more. @throws ADMISSION_REFUSED */
  async inside(
    entry: PolicyEntry,
    request: CommandRequest,
    options: PlaceOptions,
  ): Promise<AdmissionReport> {
    const { report } = await this.command(entry, request, options);
    if (report.decision !== 'strengthened') return report;
    throw refused(
      request.argv[0] ?? '',
      withReason(report, 'a sandbox that stays gets no stronger wall'),
    );
  }

  /** What was decided by a registry of modules. @throws ADMISSION_REFUSED */
  placed(entry: PolicyEntry, report: AdmissionReport, name: string): Admitted | Promise<Admitted> {
    return report.decision === 'strengthened' || report.decision === 'refused'
      ? this.#placed(entry, report, name)
      : { report, entry, isStrengthened: false };
  }

  /** Of modules: what the policy asks, or else the usual. Never rejects. */
  async module(
    candidate: Candidate,
    policy: Policy,
    place: Pick<PlaceOptions, 'tenant' | 'workspace'>,
  ): Promise<Decided> {
    const admission = policy.admission ?? USUAL;
    const decided = await this.#decide(candidate, { ...policy, admission }, place);
    if (decided.report.decision !== 'strengthened' || strengthen(policy) !== undefined) {
      return decided;
    }
    return { ...decided, report: withReason(decided.report, nothingStronger(policy)) };
  }

  tell(
    report: AdmissionReport,
    candidate: Candidate,
    policyDigest: string,
    tenant: string | undefined,
  ): void {
    this.#tell(report, candidate, policyDigest, tenant);
  }

  async close(): Promise<void> {
    await (await this.#checks)?.checks[Symbol.asyncDispose]();
  }

  async #program(
    entry: PolicyEntry,
    program: Program,
    options: PlaceOptions & Certified,
  ): Promise<Admitted> {
    const { name = program.entry, ...claims } = claimsOf(options);
    const { createHash } = await import('node:crypto');
    const [source] = Object.values(program.files);
    const isOne =
      Object.keys(program.files).length === 1 &&
      program.imports === undefined &&
      program.libraries === undefined;
    const libraries = (program.libraries ?? []).map(
      ({ name: library, source: text }) => [`library ${library}`, text] as const,
    );
    const candidate: Candidate = {
      name,
      language: program.language,
      digest: isOne
        ? createHash('sha256')
            .update(source ?? '')
            .digest('hex')
        : program.id,
      files: { ...program.files, ...Object.fromEntries(libraries) },
      limits: limitsOf(options, entry.policy),
      ...claims,
    };
    // Of a tenant: what it asks for stands in its own line, and another one does not wait with it.
    const key = isPlain(options)
      ? `${options.tenant ?? ''}\0${entry.digest}\0${program.id}`
      : undefined;
    const decided = await this.#once(key, candidate, entry, options);
    const admitted = await this.#placed(entry, decided.report, name);
    if (key !== undefined) {
      let byEntry = this.#programs.get(program);
      if (byEntry === undefined) {
        byEntry = new WeakMap();
        this.#programs.set(program, byEntry);
      }
      byEntry.set(entry, { admitted, untilMs: decided.untilMs });
    }
    return admitted;
  }

  /** Calls that come at the same time are decided together. */
  async #once(
    key: string | undefined,
    candidate: Candidate,
    entry: PolicyEntry,
    options: Pick<PlaceOptions, 'tenant' | 'workspace'>,
  ): Promise<Decided> {
    const { tenant } = options;
    const known = key === undefined ? undefined : this.#remembered.get(key);
    if (known !== undefined && this.#now() < known.untilMs) {
      const decided = await known.decided;
      // Every attempt at what is refused is recorded.
      if (decided.report.decision === 'refused') {
        this.#tell(decided.report, candidate, entry.digest, tenant);
      }
      return decided;
    }
    const remembered: Remembered = {
      decided: this.#decide(candidate, entry.policy, options),
      untilMs: Number.POSITIVE_INFINITY,
    };
    if (key !== undefined) {
      if (this.#remembered.size >= REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, remembered);
    }
    const decided = await remembered.decided;
    remembered.untilMs = decided.untilMs;
    this.#tell(decided.report, candidate, entry.digest, tenant);
    return decided;
  }

  async #decide(
    candidate: Candidate,
    policy: Policy,
    { tenant, workspace }: Pick<PlaceOptions, 'tenant' | 'workspace'>,
  ): Promise<Decided> {
    this.#checks ??= this.#open();
    const { decide } = await this.#checks;
    const { admission = USUAL, walls } = policy;
    const mayWrite = writableBy(policy, workspace);
    return await decide(candidate, { admission, walls, mayWrite, tenant });
  }

  async #open(): Promise<{ checks: Checks; decide: Decide }> {
    const [{ makeAdmission }, { Checks }] = await Promise.all([
      import('../admission/admission.ts'),
      import('./admission-parts.ts'),
    ]);
    const checks = new Checks(this.#setup.options, this.#setup.state);
    return { checks, decide: makeAdmission(checks.parts) };
  }

  async #placed(entry: PolicyEntry, report: AdmissionReport, name: string): Promise<Admitted> {
    if (report.decision === 'refused') throw refused(name, report);
    if (report.decision !== 'strengthened') return { report, entry, isStrengthened: false };
    const stronger = strengthen(entry.policy);
    if (stronger === undefined)
      throw refused(name, withReason(report, nothingStronger(entry.policy)));
    return { report, entry: await this.#setup.book.entry(stronger), isStrengthened: true };
  }

  #tell(
    admission: AdmissionReport,
    { name }: Candidate,
    policyDigest: string,
    tenant: string | undefined,
  ): void {
    this.#setup.recorder?.observer({
      kind: 'admission',
      id: newId('run'),
      ...(tenant === undefined ? {} : { tenant }),
      subject: name,
      policyDigest,
      admission,
    });
  }

  #now(): number {
    return this.#setup.options.clock?.() ?? Date.now();
  }
}

function unasked(entry: PolicyEntry): Admitted {
  return { report: UNCHECKED, entry, isStrengthened: false };
}

function nothingStronger({ name }: Policy): string {
  return `it needs a stronger wall than ${name}, and there is none: waive the finding, or raise admission.strengthen`;
}

function withReason(report: AdmissionReport, reason: string): AdmissionReport {
  return Object.freeze({
    ...report,
    decision: 'refused',
    reasons: [reason, ...(report.reasons ?? [])],
  });
}

const CODE_MAX = 200;

export function refused(name: string, report: AdmissionReport): CaissonError {
  const shown = JSON.stringify(name).slice(1, -1).slice(0, CODE_MAX);
  const worst = report.findings?.find(({ score }) => score > 0);
  return new CaissonError('ADMISSION_REFUSED', {
    layer: 'admission',
    message: `${shown} was not admitted: ${(report.reasons ?? []).join('; ')}`,
    hint:
      worst === undefined
        ? 'docs/admission.md says what a policy may ask and how it is met'
        : `${worst.rule}: ${worst.remedy}`,
    details: { admission: report },
  });
}
