import type { AdmissionWaiver } from '../policy/policy.ts';

/** When what was decided by waivers has to be decided again: the next expiry after `now`, Unix ms; Infinity: never. */
export function nextExpiry(waivers: readonly AdmissionWaiver[], now: number): number {
  const times = waivers.map(({ expires }) => Date.parse(expires)).filter((time) => time > now);
  return Math.min(Number.POSITIVE_INFINITY, ...times);
}
