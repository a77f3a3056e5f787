/**
 * Analyses that were made before: in memory, and in the state directory for the next process, with counts of what was
 * found. A store that cannot be used costs time and statistics, and no protection.
 */
import { createHash } from 'node:crypto';
import type { LookOptions } from '../admission/admission.ts';
import { AnalysisCache, analysisKey } from '../admission/scan/analysis-cache.ts';
import type { ThreadAnalysis } from '../admission/scan/analysis-threads.ts';
import { Occurrences } from '../admission/scan/occurrences.ts';
import type { Analysis } from '../admission/threat/analyzer.ts';
import { USUAL } from '../policy/admission.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';
import { ThreatStore } from '../store/threat-store.ts';

/** Written together. */
const COUNTED = 100;

export class KeptAnalyses {
  readonly #cache: AnalysisCache;
  readonly #store: ThreatStore | undefined;
  #occurrences = new Occurrences();
  #counted = 0;

  constructor(stateDirectory: string) {
    this.#store = opened(stateDirectory);
    this.#cache = new AnalysisCache(this.#store === undefined ? {} : { shelf: this.#store });
  }

  get(
    source: Uint8Array,
    options: LookOptions,
  ): { readonly key: string; readonly analysis: Analysis | undefined } {
    const digest = createHash('sha256').update(source).digest('hex');
    const key = analysisKey(digest, options);
    try {
      return { key, analysis: this.#cache.get(key) };
    } catch {
      return { key, analysis: undefined };
    }
  }

  /** Counts it, and keeps it where it came to its end. */
  put(key: string, analysis: ThreadAnalysis, language: string): void {
    const { measures, unanalysed, findings, score } = analysis;
    this.#occurrences.add({ language, findings, refused: score >= (USUAL.scan?.refuse ?? 80) });
    this.#counted++;
    attempt(() => {
      if (measures !== undefined && unanalysed === undefined) {
        this.#cache.put(key, { ...analysis, measures });
      }
      if (this.#counted >= COUNTED) this.#write();
    });
  }

  close(): void {
    attempt(() => this.#write());
    this.#store?.close();
  }

  #write(): void {
    const { rows } = this.#occurrences;
    this.#occurrences = new Occurrences();
    this.#counted = 0;
    if (rows.length > 0) this.#store?.record(rows, Date.now());
    this.#cache.flush();
  }
}

function opened(stateDirectory: string): ThreatStore | undefined {
  try {
    return ThreatStore.open(ThreatStore.fileIn(openStateDirectory(stateDirectory)));
  } catch {
    return undefined;
  }
}

function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // Somebody else writes, or the disk is full: it is looked at again another time.
  }
}
