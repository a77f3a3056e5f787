/** Findings that somebody has looked at and answers for: they stay in the report, and do not count. */
import type { Finding } from '../../core/admission.ts';
import type { AdmissionWaiver } from '../../policy/policy.ts';

export interface WaiverContext {
  /** SHA-256 of the file or of the candidate, hexadecimal: either will do for a waiver that names one. */
  readonly digest?: string | readonly string[];
  /** File of the module; that of a finding goes before it. */
  readonly path?: string;
  /** Unix milliseconds: what has expired by then does not count, and says so. */
  readonly nowMs: number;
}

/**
 * The findings, those that a waiver covers marked with its reason. One whose waiver has expired counts, and its
 * explanation says that it has. Those waived already stay so.
 */
export function applyWaivers(
  findings: readonly Finding[],
  waivers: readonly AdmissionWaiver[],
  context: WaiverContext,
): Finding[] {
  return findings.map((finding) => {
    const covering = waivers.filter((waiver) => covers(waiver, finding, context));
    const valid = covering.find((waiver) => Date.parse(waiver.expires) > context.nowMs);
    if (finding.waived !== undefined || covering.length === 0) return finding;
    if (valid !== undefined) return { ...finding, waived: valid.reason };
    const latest = covering
      .map(({ expires }) => expires)
      .sort()
      .at(-1);
    return { ...finding, explanation: `${finding.explanation} (Its waiver expired at ${latest}.)` };
  });
}

/** The rule that a waiver names to say that somebody has looked at what the trained model alone speaks against. */
const OF_MODEL = 'model';

/** Whether the model has no say: for exactly one file only, since it knows nothing of what it will read next. */
export function isModelWaived(
  waivers: readonly AdmissionWaiver[],
  { digest = [], path, nowMs }: WaiverContext,
): boolean {
  const digests = [digest].flat().map(plain);
  return waivers.some(
    (waiver) =>
      waiver.rule === OF_MODEL &&
      waiver.digest !== undefined &&
      digests.includes(plain(waiver.digest)) &&
      (waiver.path === undefined || waiver.path === path) &&
      Date.parse(waiver.expires) > nowMs,
  );
}

function covers(waiver: AdmissionWaiver, finding: Finding, context: WaiverContext): boolean {
  if (waiver.rule === undefined && waiver.family === undefined) return false;
  const digests = [context.digest ?? []].flat().map(plain);
  return (
    (waiver.rule ?? finding.rule) === finding.rule &&
    (waiver.family ?? finding.family) === finding.family &&
    (waiver.digest === undefined || digests.includes(plain(waiver.digest))) &&
    (waiver.path === undefined || waiver.path === (finding.path ?? context.path))
  );
}

const plain = (digest: string): string => digest.replace(/^sha256:/, '').toLowerCase();
