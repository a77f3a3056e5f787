/**
 * Analyses by what they depend on: the code, how it was looked at, and the rules. The latest stay in memory; a store keeps
 * them from one process to the next.
 */
import type { Analysis, AnalysisOptions } from '../threat/analyzer.ts';
import { RULES_VERSION } from '../threat/version.ts';

/** What is kept from one process to the next: `ThreatStore` is one. */
export interface AnalysisShelf {
  analysis(key: string): string | undefined;
  keepAnalyses(analyses: Iterable<readonly [key: string, analysis: string]>, now: number): void;
}

export interface AnalysisCacheOptions {
  /** Analyses that stay in memory; default 10,000. */
  readonly entries?: number;
  /** Findings of all of them together; default 100,000. */
  readonly findings?: number;
  /** Default: nothing outlives the process. */
  readonly shelf?: AnalysisShelf;
}

/** Written to the shelf together: a transaction for each would cost more than the analysis. */
const WRITTEN_TOGETHER = 500;

export class AnalysisCache {
  readonly #most: number;
  readonly #mostFindings: number;
  readonly #shelf: AnalysisShelf | undefined;
  /** Least lately used first: a Map keeps the order of insertion. */
  readonly #known = new Map<string, Analysis>();
  readonly #unwritten = new Map<string, Analysis>();
  #findings = 0;

  constructor({ entries = 10_000, findings = 100_000, shelf }: AnalysisCacheOptions = {}) {
    this.#most = entries;
    this.#mostFindings = findings;
    this.#shelf = shelf;
  }

  get(key: string): Analysis | undefined {
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.#known.delete(key);
      this.#known.set(key, known);
      return known;
    }
    const found = this.#unwritten.get(key) ?? parsed(this.#shelf?.analysis(key));
    if (found !== undefined) this.#keep(key, found);
    return found;
  }

  /** What ran out of time is not kept: another time, or another machine, may come to an end. */
  put(key: string, analysis: Analysis): void {
    if (analysis.notes.includes('time-limit')) return;
    this.#keep(key, analysis);
    if (this.#shelf === undefined) return;
    this.#unwritten.set(key, analysis);
    if (this.#unwritten.size >= WRITTEN_TOGETHER) this.flush();
  }

  /** Writes to the shelf what is not there yet. @throws STORE_UNUSABLE */
  flush(): void {
    if (this.#unwritten.size === 0) return;
    const unwritten = [...this.#unwritten];
    this.#unwritten.clear();
    const texts = unwritten.map(([key, analysis]) => [key, JSON.stringify(analysis)] as const);
    this.#shelf?.keepAnalyses(texts, Date.now());
  }

  #keep(key: string, analysis: Analysis): void {
    const before = this.#known.get(key);
    if (before !== undefined) this.#forget(key, before);
    this.#known.set(key, analysis);
    this.#findings += analysis.findings.length;
    for (const [oldest, its] of this.#known) {
      if (this.#known.size <= this.#most && this.#findings <= this.#mostFindings) break;
      this.#forget(oldest, its);
    }
  }

  #forget(key: string, { findings }: Analysis): void {
    this.#known.delete(key);
    this.#findings -= findings.length;
  }
}

/**
 * Everything that an analysis depends on. Of a path that is its base name: rules know `setup.py`.
 *
 * @param digest SHA-256 of the code, hexadecimal
 */
export function analysisKey(digest: string, options: AnalysisOptions): string {
  const { language, path = '', profile = 'effect', declares = [], model = true } = options;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const declared = declares.length < 2 ? declares.join() : [...declares].sort().join();
  return `${RULES_VERSION} ${digest} ${language} ${profile} ${declared} ${model ? 1 : 0} ${name}`;
}

/** The file is ours alone (0600); what does not look like an analysis all the same is none. */
function parsed(text: string | undefined): Analysis | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<Analysis> | null;
    const isAnalysis =
      typeof value?.score === 'number' &&
      Array.isArray(value.findings) &&
      Array.isArray(value.notes);
    return isAnalysis ? (value as Analysis) : undefined;
  } catch {
    return undefined;
  }
}
