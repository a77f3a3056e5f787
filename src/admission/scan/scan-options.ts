/** What a scan is asked, and what it tells while it goes on. */
import type { Behave, Capability } from '../../core/admission.ts';
import type { AdmissionWaiver } from '../../policy/policy.ts';
import type { ThreatStore } from '../../store/threat-store.ts';
import type { ThreatProfile } from '../threat/profiles.ts';
import type { AnalysisThreadsOptions } from './analysis-threads.ts';
import type { ScannedFile, ScanRoot } from './report.ts';

export interface ScanOptions {
  /** Default: `package` for archives and what has a manifest of a package, else `effect`. */
  readonly profile?: ThreatProfile;
  /** What the code says it does, as the caller believes it; default nothing. */
  readonly declares?: readonly Capability[];
  /**
   * Whether `caisson.declares` of package.json counts. Default false: code that declares its own innocence is no
   * evidence of it.
   */
  readonly trustManifest?: boolean;
  /** From which score a file is refused; default 80. */
  readonly threshold?: number;
  /** Files of that score and more are listed; default 40. */
  readonly listFrom?: number;
  /** Default true. */
  readonly model?: boolean;
  readonly waivers?: readonly AdmissionWaiver[];
  /** When it is, Unix ms: waivers expire; default now. */
  readonly now?: number;
  /** Where analyses are looked up and kept, and occurrences counted; default nowhere. */
  readonly store?: ThreatStore;
  readonly threads?: AnalysisThreadsOptions;
  /** A command that is run over the first path once everything was looked at; default: nothing is run. */
  readonly run?: {
    readonly command: readonly string[];
    readonly directory: string;
    readonly behave: Behave;
  };
  readonly onEvent?: (event: ScanEvent) => void;
  /** Ends it early; what was found by then is rejected with its reason. */
  readonly signal?: AbortSignal;
}

export type ScanEvent =
  | { readonly kind: 'root'; readonly root: ScanRoot }
  /** `total` is absent until it is known, and an estimate: what is in archives counts as it is met. */
  | {
      readonly kind: 'progress';
      readonly done: number;
      readonly total?: number;
      readonly path: string;
    }
  /** A file of the score that is listed, once; in the order in which they are done. */
  | { readonly kind: 'file'; readonly file: ScannedFile };
