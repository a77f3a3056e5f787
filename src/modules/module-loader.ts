/** From what is stored of a module to what can be executed: code with its digest, signature and admission looked at again. */
import type { AdmissionDecision, AdmissionReport, Candidate } from '../core/admission.ts';
import { newId } from '../core/ids.ts';
import type { Observer } from '../core/ports.ts';
import type { Policy } from '../policy/policy.ts';
import type { ModuleManifest, ModuleStore, StoredModule } from '../store/module-record.ts';
import { type LoadedModule, loadModule } from './loaded-module.ts';
import { candidateOf } from './module-candidate.ts';
import { disabled, keyOf, notFound, refused } from './module-errors.ts';
import type { Ceilings } from './module-schemas.ts';
import { verifySignature } from './module-signature.ts';
import type { Executor } from './modules-setup.ts';

export interface ModuleLoaderSetup {
  readonly store: Pick<ModuleStore, 'code'>;
  readonly policy: Policy;
  readonly ceilings: Ceilings;
  readonly executor: Executor;
  /** A rejection is a refusal, and so is an answer that is none. */
  readonly admit: (candidate: Candidate) => Promise<Decided>;
  readonly observer: Observer | undefined;
  readonly policyDigest: string;
  readonly tenant: string | undefined;
}

export interface Decided {
  readonly report: AdmissionReport;
  readonly untilMs: number;
}

const ADMITTED: readonly AdmissionDecision[] = ['unchecked', 'admitted', 'strengthened'];

export class ModuleLoader {
  readonly #setup: ModuleLoaderSetup;
  readonly #policies = new Map<string, Policy>();

  constructor(setup: ModuleLoaderSetup) {
    this.#setup = setup;
  }

  /** @throws MODULE_DISABLED, MODULE_NOT_FOUND, MODULE_SIGNATURE_WRONG, MODULE_REFUSED, STORE_UNUSABLE */
  async load({ record, enabled }: StoredModule): Promise<LoadedModule> {
    const { manifest } = record;
    if (!enabled) throw disabled(manifest);
    const code = await this.code(manifest);
    const { signature, publicKey, digest } = manifest;
    if (signature !== undefined && publicKey !== undefined) {
      verifySignature(digest, signature, publicKey);
    }
    const { ceilings, executor } = this.#setup;
    const { report, untilMs } = await this.admit(manifest, code);
    return loadModule(manifest, code, {
      admission: report,
      untilMs,
      isWasiCommand: record.interface?.exports.some(({ name }) => name === '_start') === true,
      ceilings,
      executor,
      limitedPolicy: (limits) => this.#limitedPolicy(limits),
    });
  }

  async code({ id, version, digest }: ModuleManifest): Promise<Uint8Array> {
    const code = await this.#setup.store.code(digest);
    if (code !== undefined) return code;
    // Removed in the meantime.
    throw notFound(`${id}@${version}`, []);
  }

  /** Looked at, recorded, and refused where it was. @throws MODULE_REFUSED, AUDIT_UNAVAILABLE */
  async admit(manifest: ModuleManifest, code: Uint8Array): Promise<Decided> {
    let decided: Decided;
    try {
      decided = await this.#setup.admit(await candidateOf(manifest, code));
    } catch (cause) {
      const report = { decision: 'refused', reasons: ['the check of it failed'] } as const;
      this.#tell(manifest, report);
      throw refused(manifest, report, cause);
    }
    const { report } = decided;
    this.#tell(manifest, report);
    if (ADMITTED.includes(report.decision)) return decided;
    throw refused(manifest, report);
  }

  #tell(manifest: ModuleManifest, admission: AdmissionReport): void {
    this.#setup.observer?.({
      kind: 'admission',
      id: newId('run'),
      ...(this.#setup.tenant === undefined ? {} : { tenant: this.#setup.tenant }),
      subject: keyOf(manifest),
      policyDigest: this.#setup.policyDigest,
      admission,
    });
  }

  /** One object for each pair of limits, so that what is prepared for it is found again. */
  #limitedPolicy({ timeoutMs, cpuMs, memoryBytes }: ModuleManifest['limits']): Policy {
    const key = `${timeoutMs} ${cpuMs} ${memoryBytes}`;
    let policy = this.#policies.get(key);
    if (policy === undefined) {
      const own = this.#setup.policy.limits;
      const limits = {
        ...own,
        wallMs: Math.min(timeoutMs, own.wallMs ?? timeoutMs),
        cpuMs: Math.min(cpuMs, own.cpuMs ?? cpuMs),
        memoryBytes: Math.min(memoryBytes, own.memoryBytes ?? memoryBytes),
      };
      policy = Object.freeze({ ...this.#setup.policy, limits });
      this.#policies.set(key, policy);
    }
    return policy;
  }
}
