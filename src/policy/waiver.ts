/** Findings that do not count: how a waiver is written, and which of two waives more. */
import { z } from 'zod';
import { THREAT_FAMILIES } from '../core/admission.ts';
import { checkedString, nameFault, shorten } from './checked-value.ts';
import type { AdmissionWaiver } from './policy.ts';

const DIGEST = /^(sha256:)?[0-9a-f]{64}$/;

export const waiverSchema = z.strictObject({
  rule: checkedString(nameFault(/^[a-z0-9][a-z0-9/._-]{0,127}$/, 'a rule, as in a finding'))
    .optional()
    .describe('Findings of this rule, such as `javascript/child-process/exec`; or `family`.'),
  family: z.enum(THREAT_FAMILIES).optional().describe('Findings of this family; or `rule`.'),
  digest: checkedString(nameFault(DIGEST, 'a SHA-256 in hexadecimal'))
    .optional()
    .describe(
      'SHA-256 of the file, or of the module, that it is for. Without it the waiver holds for whatever the code becomes.',
    ),
  path: checkedString(nameFault(/^[^\0]{1,1024}$/, 'a path of at most 1024 characters'))
    .optional()
    .describe('File of the module that it is for, as in the finding.'),
  reason: checkedString(
    nameFault(/^(?=.*\S)[^\0]{1,300}$/s, 'a reason of 1 to 300 characters'),
  ).describe('Why it is harmless here; stands in reports and in the audit log.'),
  expires: checkedString(expiryFault).describe(
    'From then on it no longer holds: a date (its first moment, UTC) or `2027-01-31T12:00:00Z`.',
  ),
});

/** What both waive. */
export function meetWaivers(a: AdmissionWaiver, b: AdmissionWaiver): AdmissionWaiver | undefined {
  if (a.rule !== b.rule || a.family !== b.family) return undefined;
  const digest = a.digest ?? b.digest;
  const path = a.path ?? b.path;
  if ((b.digest ?? digest) !== digest || (b.path ?? path) !== path) return undefined;
  return canonicalWaiver({
    rule: a.rule,
    family: a.family,
    digest,
    path,
    reason: a.reason === b.reason ? a.reason : `${a.reason}; ${b.reason}`.slice(0, 300),
    expires: [a.expires, b.expires].sort()[0],
  });
}

/** Whether whatever `b` waives, `a` waives too. */
export function coversWaiver(a: AdmissionWaiver, b: AdmissionWaiver): boolean {
  return (
    a.rule === b.rule &&
    a.family === b.family &&
    (a.digest === undefined || a.digest === b.digest) &&
    (a.path === undefined || a.path === b.path) &&
    a.expires >= b.expires
  );
}

/** Without those that another one covers. Sorted. */
export function reduceWaivers(waivers: readonly AdmissionWaiver[]): readonly AdmissionWaiver[] {
  const sorted = waivers
    .map((waiver) => ({ waiver, text: JSON.stringify(waiver) }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    .map(({ waiver }) => waiver);
  return sorted.filter(
    (one, i) =>
      !sorted.some(
        (other, j) => i !== j && coversWaiver(other, one) && (!coversWaiver(one, other) || j < i),
      ),
  );
}

/** One order of keys, one form of each value, so that equal ones have one text. */
export function canonicalWaiver({
  rule,
  family,
  digest,
  path,
  reason,
  expires,
}: {
  readonly [K in keyof AdmissionWaiver]: AdmissionWaiver[K] | undefined;
}): AdmissionWaiver {
  return {
    ...(rule === undefined ? {} : { rule }),
    ...(family === undefined ? {} : { family }),
    ...(digest === undefined ? {} : { digest: digest.replace(/^sha256:/, '') }),
    ...(path === undefined ? {} : { path }),
    reason: reason ?? '',
    expires: fullTime(expires ?? ''),
  };
}

export function describeWaiver({ rule, family, digest, path, expires }: AdmissionWaiver): string {
  const where = [
    ...(path === undefined ? [] : [`in ${path}`]),
    ...(digest === undefined ? [] : [`with the digest ${digest.slice(0, 12)}…`]),
  ];
  const what = rule ?? `the family ${family}`;
  return [`findings of ${what}`, ...where, `until ${expires}`].join(' ');
}

function fullTime(expires: string): string {
  return /^\d{4}-\d\d-\d\d$/.test(expires) ? `${expires}T00:00:00Z` : expires;
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function expiryFault(text: string): { message: string; hint: string } | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)Z)?$/.exec(text);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (parts ?? [])
    .slice(1)
    .map((part) => Number(part ?? 0));
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = (DAYS[month - 1] ?? 0) + (month === 2 && leap ? 1 : 0);
  const fits = day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
  if (parts !== null && fits) return undefined;
  return {
    message: `${shorten(text)} is no time at which something ends`,
    hint: 'write a date such as 2027-01-31, or 2027-01-31T12:00:00Z',
  };
}
