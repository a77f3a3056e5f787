/** Whether a signer is trusted for a piece of code at a time, walls apart. */
import type { SignedSubject } from './binding.ts';
import { matchesPattern } from './pattern.ts';
import { quoted } from './quoted.ts';
import type { TrustedSigner, TrustRegistry } from './trust-registry.ts';

/** @returns why not; undefined where it is */
export function whyNotTrusted(
  { scope, revoked, fromMs, untilMs }: TrustedSigner,
  subject: Pick<SignedSubject, 'name' | 'language'>,
  { updatedMs }: Pick<TrustRegistry, 'updatedMs'>,
  nowMs: number,
): string | undefined {
  if (revoked !== undefined) return `revoked at ${revoked.at}: ${revoked.reason}`;
  const ends = Number.isFinite(fromMs) || Number.isFinite(untilMs);
  if (ends && nowMs < updatedMs) {
    return `the clock says ${iso(nowMs)}, and the registry was written at ${iso(updatedMs)}: the clock is wrong`;
  }
  if (nowMs < fromMs) return `trusted from ${iso(fromMs)}, and it is ${iso(nowMs)}`;
  // A time that is no number is after every end.
  if (!(nowMs < untilMs)) return `trusted until ${iso(untilMs)}, and it is ${iso(nowMs)}`;
  if (!coversId(scope.ids, subject.name)) return `not trusted for ${quoted(idOf(subject.name))}`;
  if (scope.kinds?.includes(subject.language) === false)
    return `not trusted for ${subject.language}`;
  return undefined;
}

/** @param patterns default: all */
export function coversId(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || patterns.some((pattern) => matchesPattern(pattern, idOf(name)));
}

function idOf(name: string): string {
  return name.split('@', 1)[0] ?? name;
}

function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}
