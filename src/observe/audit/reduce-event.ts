/** What of an event is recorded. A guest's output never is, nor the value of a secret. */
import type { AdmissionReport, Finding } from '../../core/admission.ts';
import type { Outcome, Violation } from '../../core/outcome.ts';
import type { ObservedEvent } from '../../core/ports.ts';
import { canonicalJson } from './canonical-json.ts';
import type { RecordDraft } from './record.ts';

const FINDINGS_MAX = 32;

/** @param secrets values that are replaced wherever they stand */
export function reduceEvent(event: ObservedEvent, secrets: readonly string[]): RecordDraft {
  const shown = (text: string | undefined): string | undefined =>
    text === undefined || secrets.length === 0 ? text : JSON.parse(canonicalJson(text, secrets));
  return {
    event: event.kind,
    run: shown(event.id),
    sandbox: shown(event.sandbox),
    tenant: shown(event.tenant),
    policy: policyOf(event),
    details: canonicalJson(detailsOf(event), secrets),
  };
}

function policyOf(event: ObservedEvent): string | undefined {
  if (event.kind === 'ended') return event.outcome.policyDigest;
  return 'policyDigest' in event && typeof event.policyDigest === 'string'
    ? event.policyDigest
    : undefined;
}

function detailsOf(event: ObservedEvent): Record<string, unknown> {
  const { id, sandbox, tenant, kind, ...rest } = event as ObservedEvent & Record<string, unknown>;
  if (event.kind === 'ended') return { argv: event.argv, outcome: outcomeOf(event.outcome) };
  if (event.kind === 'violation') return { violation: violationOf(event.violation) };
  if (event.kind === 'admission') {
    const { subject, admission } = event;
    return {
      subject,
      ...decisionOf(admission),
      ...findingsOf(admission),
      reasons: admission.reasons,
    };
  }
  const { policyDigest, ...details } = rest;
  return details;
}

function outcomeOf(outcome: Outcome): Record<string, unknown> {
  const { kind, code, signal, clock, usage, timing, limitsHit, violations } = outcome;
  const { wall, wallReason, accepted, admission, changes, leftBehind, stdout, stderr } = outcome;
  return {
    kind,
    code,
    signal,
    clock,
    usage,
    timing,
    limitsHit,
    violations: violations.map(violationOf),
    wall,
    wallReason,
    accepted,
    admission: admission === undefined ? undefined : decisionOf(admission),
    changes,
    leftBehind,
    stdoutBytes: stdout.totalBytes,
    stderrBytes: stderr.totalBytes,
  };
}

function decisionOf(admission: AdmissionReport): Record<string, unknown> {
  const { decision, score, digest, signer, proof } = admission;
  return { decision, score, digest, signer, proof };
}

/** Where and what, never the code itself: that may hold what does not belong into a log. */
function findingsOf({ findings }: AdmissionReport): Record<string, unknown> {
  if (findings === undefined) return {};
  const told = ({ family, rule, score, path, range, waived }: Finding) => {
    return { family, rule, score, path, line: range.line, column: range.column, waived };
  };
  return {
    families: [...new Set(findings.map(({ family }) => family))].sort(),
    findings: findings.slice(0, FINDINGS_MAX).map(told),
  };
}

function violationOf(violation: Violation): Record<string, unknown> {
  const { kind, reason, target, pid, program, rule, count, details } = violation;
  return { kind, reason, target, pid, program, rule, count, details };
}
