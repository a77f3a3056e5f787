/** What a part of the benchmark is given and gives back. */
import type { Programs } from './programs.ts';

export interface Bench {
  /** Fewer samples: to see whether something broke, not to publish. */
  readonly quick: boolean;
  /** An empty directory of ours, readable by everybody, gone afterwards. */
  readonly directory: string;
  readonly programs: Programs;
  /** Directory that holds the programs. */
  readonly programDirectory: string;
  /** File with Caisson's default seccomp filter, compiled. */
  readonly seccomp: string;
  /** Tells the person who waits what is going on. */
  note(line: string): void;
}

/** A figure that ../SPECIFICATION.md promises. */
export interface Target {
  readonly name: string;
  /** null: could not be measured here; `note` says why. */
  readonly measured: number | null;
  readonly sense: '≤' | '<' | '≥';
  readonly limit: number;
  readonly unit: string;
  readonly note?: string;
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface SuiteResult {
  readonly title: string;
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly table: Table;
  readonly targets: readonly Target[];
  /** For the plot: milliseconds by contestant. */
  readonly bars?: readonly {
    readonly label: string;
    readonly value: number;
    readonly ours: boolean;
  }[];
}

export interface Suite {
  readonly name: string;
  run(bench: Bench): Promise<SuiteResult>;
}

export function isMet({ measured, sense, limit }: Target): boolean {
  if (measured === null) return false;
  if (sense === '≥') return measured >= limit;
  return sense === '≤' ? measured <= limit : measured < limit;
}
