/** Counts what was found, by family and language, for the statistics. */
import type { Finding } from '../../core/admission.ts';
import type { Occurrence } from '../../store/threat-store.ts';

/** One file, or one module. */
export interface Looked {
  readonly language: string;
  readonly findings: readonly Finding[];
  readonly refused: boolean;
}

export class Occurrences {
  readonly #counts = new Map<string, { -readonly [K in keyof Occurrence]: Occurrence[K] }>();

  /** What is declared or waived does not count. */
  add({ language, findings, refused }: Looked): void {
    const byFamily = new Map<string, number>([['', 0]]);
    for (const { family, score, waived } of findings) {
      if (score <= 0 || waived !== undefined) continue;
      byFamily.set(family, (byFamily.get(family) ?? 0) + 1);
      byFamily.set('', (byFamily.get('') ?? 0) + 1);
    }
    for (const [family, count] of byFamily) {
      const key = `${family} ${language}`;
      const row = this.#counts.get(key) ?? { family, language, files: 0, findings: 0, refused: 0 };
      row.files++;
      row.findings += count;
      if (refused) row.refused++;
      this.#counts.set(key, row);
    }
  }

  get rows(): readonly Occurrence[] {
    return [...this.#counts.values()];
  }
}
