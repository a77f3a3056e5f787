/**
 * What spans say of a request, of what was decided, and of what came of it. Never words of a command, of the environment,
 * of code or of output: a trace is read by more people than an audit log.
 */
import type { AdmissionReport } from './admission.ts';
import type { Outcome } from './outcome.ts';
import type { SpanAttributes } from './telemetry.ts';

export function outcomeAttributes(outcome: Outcome): SpanAttributes {
  const { usage, limitsHit } = outcome;
  return {
    'process.exit.code': outcome.code,
    'caisson.outcome.kind': outcome.kind,
    'caisson.outcome.signal': outcome.signal,
    'caisson.outcome.clock': outcome.clock,
    'caisson.wall': outcome.wall,
    'caisson.policy.digest': outcome.policyDigest,
    'caisson.audit.id': outcome.auditId,
    'caisson.violations': outcome.violations.length,
    'caisson.limits_hit': limitsHit.length === 0 ? undefined : limitsHit.join(','),
    'caisson.left_behind': outcome.leftBehind,
    'caisson.cpu_time_ms': usage.cpuUserMs + usage.cpuSystemMs,
    'caisson.memory_peak_bytes': usage.memoryPeakBytes,
  };
}

export function admissionAttributes({
  decision,
  score,
  findings,
}: AdmissionReport): SpanAttributes {
  return {
    'caisson.admission.decision': decision,
    'caisson.admission.score': score,
    'caisson.admission.findings': findings?.length,
  };
}
