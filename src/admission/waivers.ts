/** Waivers of a policy on the findings of a file. */
import type { Finding } from '../core/admission.ts';
import type { AdmissionWaiver } from '../policy/policy.ts';

export interface WaivedFile {
  /** SHA-256 of the file, hexadecimal; and of the module that it belongs to. A waiver for one of them holds. */
  readonly digest: string | readonly string[];
  readonly path?: string;
  /** Wall clock, Unix ms. A waiver holds before it expires; under a clock that is no number none does. */
  readonly now: number;
}

/** The same findings; those that do not count say why, and count for nothing. */
export function applyWaivers(
  findings: readonly Finding[],
  waivers: readonly AdmissionWaiver[],
  file: WaivedFile,
): readonly Finding[] {
  const digests = [file.digest].flat();
  const valid = waivers.filter(
    ({ digest, path, expires }) =>
      file.now < Date.parse(expires) &&
      (digest === undefined || digests.includes(digest)) &&
      (path === undefined || path === file.path),
  );
  if (valid.length === 0) return findings;
  return findings.map((finding) => {
    const waiver = valid.find(({ rule, family }) =>
      rule === undefined ? family === finding.family : rule === finding.rule,
    );
    return waiver === undefined ? finding : { ...finding, score: 0, waived: waiver.reason };
  });
}

/** When what was decided by them has to be decided again: the next expiry after `now`, Unix ms; Infinity: never. */
export function nextExpiry(waivers: readonly AdmissionWaiver[], now: number): number {
  const times = waivers.map(({ expires }) => Date.parse(expires)).filter((time) => time > now);
  return Math.min(Number.POSITIVE_INFINITY, ...times);
}
