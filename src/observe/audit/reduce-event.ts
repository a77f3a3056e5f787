/** What of an event is recorded. A guest's output never is, nor the value of a secret. */
import type { Outcome, Violation } from '../../core/outcome.ts';
import type { ObservedEvent } from '../../core/ports.ts';
import { canonicalJson } from './canonical-json.ts';
import type { RecordDraft } from './record.ts';

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
  const { policyDigest, ...details } = rest;
  return details;
}

function outcomeOf(outcome: Outcome): Record<string, unknown> {
  const { kind, code, signal, clock, usage, timing, limitsHit, violations } = outcome;
  const { wall, wallReason, accepted, changes, leftBehind, stdout, stderr } = outcome;
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
    changes,
    leftBehind,
    stdoutBytes: stdout.totalBytes,
    stderrBytes: stderr.totalBytes,
  };
}

function violationOf(violation: Violation): Record<string, unknown> {
  const { kind, reason, target, pid, program, rule, count, details } = violation;
  return { kind, reason, target, pid, program, rule, count, details };
}
