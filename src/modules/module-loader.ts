/** From what is stored of a module to what can be executed: code with its digest, signature and admission looked at again. */
import type { Admission, Verdict } from '../core/ports.ts';
import type { Policy } from '../policy/policy.ts';
import type { ModuleManifest, ModuleStore, StoredModule } from '../store/module-record.ts';
import { type LoadedModule, loadModule } from './loaded-module.ts';
import { disabled, keyOf, notFound, refused } from './module-errors.ts';
import type { Ceilings } from './module-schemas.ts';
import { verifySignature } from './module-signature.ts';
import type { Executor } from './modules-setup.ts';

export interface ModuleLoaderSetup {
  readonly store: Pick<ModuleStore, 'code'>;
  readonly policy: Policy;
  readonly ceilings: Ceilings;
  readonly executor: Executor;
  readonly admission: Admission;
}

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
    return loadModule(manifest, code, {
      admission: await this.admit(manifest, code),
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

  /** @throws MODULE_REFUSED */
  async admit(manifest: ModuleManifest, code: Uint8Array): Promise<'unchecked' | 'admitted'> {
    const { kind, digest, signature, publicKey } = manifest;
    let verdict: Verdict;
    try {
      verdict = await this.#setup.admission({
        name: keyOf(manifest),
        kind,
        digest,
        code,
        ...(signature === undefined || publicKey === undefined ? {} : { signedBy: publicKey }),
      });
    } catch (cause) {
      throw refused(manifest, ['the check of it failed'], cause);
    }
    const { admission, reasons = [] } = verdict;
    if (admission === 'admitted' || admission === 'unchecked') return admission;
    throw refused(manifest, reasons);
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
