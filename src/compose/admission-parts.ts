/** What a decision is made with: analysis on threads, the registry of signers, the checker of proofs. Loaded when asked. */
import type { AdmissionParts, Looked } from '../admission/admission.ts';
import type { AnalysisThreads } from '../admission/scan/analysis-threads.ts';
import type { TrustFile } from '../admission/signing/trust-file.ts';
import { Turns } from '../core/turns.ts';
import type { CaissonAdmissionOptions } from './admission-options.ts';
import type { KeptAnalyses } from './kept-analyses.ts';

/**
 * Tenants that have something looked at at the same time. Not more: looking at code must not take the processors from what
 * runs.
 */
const THREADS = 2;

export class Checks implements AsyncDisposable {
  readonly parts: AdmissionParts;
  readonly #options: CaissonAdmissionOptions;
  readonly #state: () => string;
  #threads: AnalysisThreads | undefined;
  #kept: KeptAnalyses | undefined;
  #trust: TrustFile | undefined;
  #analyze: Promise<AdmissionParts['analyze']> | undefined;

  constructor(options: CaissonAdmissionOptions, state: () => string) {
    this.#options = options;
    this.#state = state;
    const { clock = Date.now, timeLimitMs } = options;
    this.parts = {
      analyze: async (source, look, asker) => {
        this.#analyze ??= this.#analyzer();
        return await (await this.#analyze)(source, look, asker);
      },
      score: async (findings, probability) => {
        const { scoreOf, withModel } = await import('../admission/threat/score.ts');
        const score = scoreOf(findings);
        return probability === undefined ? score : withModel(score, probability);
      },
      verify: async (candidate, signers, nowMs, mayWrite) => {
        const [{ verifySigned }, trust] = await Promise.all([
          import('../admission/signing/verify.ts'),
          this.#trusted(),
        ]);
        const by = signers === undefined ? {} : { by: signers };
        return await verifySigned(
          { ...candidate, ...candidate.signed },
          candidate.signatures ?? [],
          trust.current(mayWrite),
          nowMs,
          by,
        );
      },
      checkProof: async (module, certificate) => {
        const { checkProof } = await import('../admission/proof/check-proof.ts');
        const checked = checkProof(module, certificate);
        if (checked.ok) return checked;
        const { obligation, offset, message } = checked;
        return { ok: false, reason: `${obligation} at byte ${offset}: ${message}` };
      },
      clock,
      ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kept?.close();
    await this.#threads?.close();
  }

  async #analyzer(): Promise<AdmissionParts['analyze']> {
    const { analyze } = this.#options;
    if (analyze !== undefined) return analyze;
    const [{ AnalysisThreads }, { KeptAnalyses }] = await Promise.all([
      import('../admission/scan/analysis-threads.ts'),
      import('./kept-analyses.ts'),
    ]);
    const kept = new KeptAnalyses(this.#state());
    this.#kept = kept;
    // Of a tenant one at a time, so that who comes later waits for one of each other tenant's, however many it asks for.
    const turns = new Turns();
    return async (source, options, { tenant = '', signal }): Promise<Looked> => {
      const known = kept.get(source, options);
      if (known.analysis !== undefined) return known.analysis;
      return await turns.take(tenant, async () => {
        // What nobody waits for any more takes no time from those who do.
        signal.throwIfAborted();
        const { key, analysis: meanwhile } = kept.get(source, options);
        if (meanwhile !== undefined) return meanwhile;
        this.#threads ??= new AnalysisThreads({ threads: THREADS });
        const analysis = await this.#threads.analyze(source, options);
        kept.put(key, analysis, options.language);
        return analysis;
      });
    };
  }

  async #trusted(): Promise<TrustFile> {
    if (this.#trust === undefined) {
      const { TrustFile } = await import('../admission/signing/trust-file.ts');
      this.#trust ??= new TrustFile(this.#options.trust ?? TrustFile.fileIn(this.#state()));
    }
    return this.#trust;
  }
}
