/** Adds up a report: it holds what is listed, and of the rest only counts. */
import type { Behaviour, Finding, ThreatFamily } from '../../core/admission.ts';
import type { SkipReason } from './code-files.ts';
import type { ScanDecision, ScannedFile, ScanReport, ScanRoot } from './report.ts';

const LISTED_MAX = 2000;
const UNREAD_MAX = 1000;
const FINDINGS_MAX = 50;

export class ReportBuilder {
  readonly #started = performance.now();
  readonly #limits: {
    readonly threshold: number;
    readonly suspicious: number;
    readonly listFrom: number;
    readonly rulesVersion: string;
  };
  readonly #roots: ScanRoot[] = [];
  readonly #listed: ScannedFile[] = [];
  readonly #skipped: Partial<Record<SkipReason, number>> = {};
  readonly #unread: { path: string; reason: string }[] = [];
  readonly #families: Partial<Record<ThreatFamily, number>> = {};
  readonly #files = { scanned: 0, bytes: 0, cached: 0, refused: 0, suspicious: 0, unanalysed: 0 };
  #behaviour: Behaviour | undefined;
  #unreadCount = 0;
  #unlisted = 0;
  #score = 0;

  constructor(limits: {
    readonly threshold: number;
    readonly suspicious: number;
    readonly listFrom: number;
    readonly rulesVersion: string;
  }) {
    this.#limits = limits;
  }

  root(root: ScanRoot): void {
    this.#roots.push(root);
  }

  behaviour(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
  }

  skipped(reason: SkipReason): void {
    this.#skipped[reason] = (this.#skipped[reason] ?? 0) + 1;
  }

  unread(path: string, reason: string): void {
    this.#unreadCount++;
    if (this.#unread.length < UNREAD_MAX) this.#unread.push({ path, reason });
  }

  /** @returns as it is listed: with no more findings than are shown */
  file(whole: ScannedFile): ScannedFile {
    const { threshold, suspicious, listFrom } = this.#limits;
    const { score, language, bytes, cached } = whole;
    const counts = this.#files;
    if (language !== undefined) {
      counts.scanned++;
      counts.bytes += bytes;
      if (cached) counts.cached++;
      if (whole.unanalysed !== undefined) counts.unanalysed++;
    }
    if (score >= threshold) counts.refused++;
    else if (score >= suspicious) counts.suspicious++;
    this.#score = Math.max(this.#score, score);
    const families = new Set(whole.findings.filter(doesCount).map(({ family }) => family));
    for (const family of families) this.#families[family] = (this.#families[family] ?? 0) + 1;
    const findings = [...whole.findings]
      .sort((a, b) => weight(b) - weight(a))
      .slice(0, FINDINGS_MAX);
    const file = { ...whole, findings, omitted: whole.findings.length - findings.length };
    if (score >= listFrom) this.#list(file);
    return file;
  }

  finish(): ScanReport {
    const { threshold, rulesVersion } = this.#limits;
    this.#sort();
    return {
      decision: this.#decision(),
      score: this.#score,
      threshold,
      roots: this.#roots,
      files: this.#files,
      skipped: this.#skipped,
      unread: this.#unread.sort((a, b) => (a.path < b.path ? -1 : 1)),
      unreadCount: this.#unreadCount,
      families: this.#families,
      listed: this.#listed,
      unlisted: this.#unlisted,
      ...(this.#behaviour === undefined ? {} : { behaviour: this.#behaviour }),
      rulesVersion,
      elapsedMs: performance.now() - this.#started,
    };
  }

  #decision(): ScanDecision {
    if (this.#files.refused > 0) return 'refused';
    if (this.#unreadCount > 0) return 'incomplete';
    return this.#files.suspicious > 0 ? 'suspicious' : 'passed';
  }

  /** The lowest go where there are too many: thrown away now and then, not each time. */
  #list(file: ScannedFile): void {
    this.#listed.push(file);
    if (this.#listed.length < LISTED_MAX * 2) return;
    this.#sort();
  }

  #sort(): void {
    this.#listed.sort((a, b) => b.score - a.score || (a.path < b.path ? -1 : 1));
    this.#unlisted += this.#listed.splice(LISTED_MAX).length;
  }
}

function doesCount({ score, waived }: Finding): boolean {
  return score > 0 && waived === undefined;
}

function weight(finding: Finding): number {
  return doesCount(finding) ? finding.score : -1;
}
