/** What a scan came to. */
import type { Behaviour, Finding, ThreatFamily } from '../../core/admission.ts';
import type { ThreatProfile } from '../threat/profiles.ts';
import type { ScanLanguage, SkipReason } from './code-files.ts';
import type { Unanalysed } from './own-findings.ts';
import type { Snippet } from './snippet.ts';

/** A finding as a report shows it. */
export interface ShownFinding extends Finding {
  /** The line that it stands in; absent where it stands in none. */
  readonly snippet?: Snippet;
}

/** A file that was looked at, or that something odd was found about. */
export interface ScannedFile {
  /** As it was asked for, with what is below; entries of archives behind `!/`. May hold control characters. */
  readonly path: string;
  /** Absent: it is no code. */
  readonly language?: ScanLanguage;
  /** SHA-256 of what was looked at, hexadecimal: what a waiver names. */
  readonly digest?: string;
  readonly bytes: number;
  /** 0–100. */
  readonly score: number;
  /** Highest first, at most 50. */
  readonly findings: readonly ShownFinding[];
  /** Findings beyond those. */
  readonly omitted: number;
  /** Where the trained model adds to what findings score: so much of `score`, and why. */
  readonly model?: {
    readonly adds: number;
    readonly probability: number;
    readonly because: readonly string[];
  };
  readonly notes: readonly string[];
  /** The command that was run over it: the findings are what that did, and nothing that stands in a file. */
  readonly ran?: readonly string[];
  /** Run by whoever installs it. */
  readonly runsOnInstall?: true;
  /** Its analysis did not come to an end: the score stands for that. */
  readonly unanalysed?: Unanalysed;
  readonly elapsedMs: number;
  readonly cached: boolean;
}

export interface ScanRoot {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'archive';
  readonly profile: ThreatProfile;
  /** Why that profile, in a few words. */
  readonly because: string;
}

/**
 * `refused`: something reaches the threshold. `incomplete`: nothing that was looked at does, and something could not be
 * looked at. `suspicious`: something scores 40 and more.
 */
export type ScanDecision = 'passed' | 'suspicious' | 'incomplete' | 'refused';

export interface ScanReport {
  readonly decision: ScanDecision;
  /** The highest of all. */
  readonly score: number;
  readonly threshold: number;
  readonly roots: readonly ScanRoot[];
  readonly files: {
    /** Analysed, or known from an earlier scan. */
    readonly scanned: number;
    readonly bytes: number;
    readonly cached: number;
    readonly refused: number;
    readonly suspicious: number;
    readonly unanalysed: number;
  };
  /** Files that were passed over. */
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** What could not be looked at, at most 1000 of them. */
  readonly unread: readonly { readonly path: string; readonly reason: string }[];
  readonly unreadCount: number;
  /** Files in which a family was found, with a score above 0. */
  readonly families: Readonly<Partial<Record<ThreatFamily, number>>>;
  /** By score, then path; at most 2000. */
  readonly listed: readonly ScannedFile[];
  /** Files beyond those that would be listed. */
  readonly unlisted: number;
  /** What was done when it was run, where that was asked for. What of it was undeclared counts in `score` and `decision`. */
  readonly behaviour?: Behaviour;
  readonly rulesVersion: string;
  readonly elapsedMs: number;
}
