/**
 * An outcome as a model reads it: first what Caisson says, in its own words; then what the guest wrote, between the lines
 * of a fence; so that nothing of the guest's can look like something of ours.
 */
import type { Violation } from '../core/outcome.ts';
import type { Evaluation } from '../sandbox/evaluation.ts';
import { fence, type ShownText, shownOutput, shownText, shownWord } from './guest-text.ts';
import { nextAfterOutcome, type RanIn } from './next-steps.ts';
import type { ToolAnswer } from './tool.ts';

const VIOLATIONS_SHOWN = 20;
const VALUE_SHOWN = 16 * 1024;

export function renderOutcome(outcome: Evaluation, ranIn: RanIn): ToolAnswer {
  const stdout = shownOutput(outcome.stdout);
  const stderr = shownOutput(outcome.stderr);
  const value = returned(outcome);
  const thrown = thrownOf(outcome);
  const violations = outcome.violations.slice(0, VIOLATIONS_SHOWN).map(shownViolation);
  const next = nextAfterOutcome(outcome, ranIn);
  const where = ranIn.sandbox ?? (ranIn.isEngine ? 'an engine' : 'a throw-away sandbox');
  const lines = [
    `${ending(outcome)} after ${Math.round(outcome.timing.runMs)} ms in ${where}.`,
    ...(outcome.limitsHit.length === 0 ? [] : [`Limits hit: ${outcome.limitsHit.join(', ')}.`]),
    ...violations.map(({ kind, reason, count }) => {
      const times = count === undefined ? '' : ` (${count} times)`;
      return `Refused (${kind}): ${reason}${times}`;
    }),
    ...beyond(outcome.violations.length),
    ...next.map((step) => `Next: ${step}`),
    sizes('stdout', stdout),
    sizes('stderr', stderr),
  ];
  const parts = [
    ...(value === undefined ? [] : [{ name: 'value', text: value.text }]),
    ...(thrown === undefined ? [] : [{ name: 'thrown', text: thrown.text }]),
    ...(stdout.totalBytes === 0 ? [] : [{ name: 'stdout', text: stdout.text }]),
    ...(stderr.totalBytes === 0 ? [] : [{ name: 'stderr', text: stderr.text }]),
  ];
  return {
    text: [...lines, ...(parts.length === 0 ? [] : [fence(parts)])].join('\n'),
    structured: {
      outcome: outcome.kind,
      ...(outcome.code === undefined ? {} : { exit_code: outcome.code }),
      ...(outcome.signal === undefined ? {} : { signal: outcome.signal }),
      ...(outcome.clock === undefined ? {} : { clock: outcome.clock }),
      stdout: streamOf(stdout),
      stderr: streamOf(stderr),
      ...(value === undefined ? {} : { value: value.text }),
      ...(thrown === undefined ? {} : { thrown: thrown.text }),
      violations,
      limits_hit: [...outcome.limitsHit],
      duration_ms: outcome.timing.runMs,
      memory_peak_bytes: Math.round(outcome.usage.memoryPeakBytes),
      ...(ranIn.sandbox === undefined ? {} : { sandbox: ranIn.sandbox }),
      audit_id: outcome.auditId,
      next,
    },
  };
}

function ending({ kind, code, signal, clock }: Evaluation): string {
  switch (kind) {
    case 'exited':
      return `Exited with code ${code}`;
    case 'signaled':
      return `Ended by ${signal}`;
    case 'timed-out':
      return `Timed out (${clock} clock)`;
    case 'out-of-memory':
      return 'Ran out of memory';
    case 'output-limit':
      return 'Ended for its output';
    case 'denied':
      return `Ended by Caisson for what it tried${signal === undefined ? '' : ` (${signal})`}`;
    case 'killed':
      return 'Was killed';
  }
}

/** Its words hold what the guest asked for: shown in one line. */
function shownViolation({ kind, reason, target, rule, count }: Violation) {
  return {
    kind,
    reason: shownWord(reason, 400),
    ...(target === undefined ? {} : { target: shownWord(target) }),
    ...(rule === undefined ? {} : { rule: shownWord(rule) }),
    ...(count === undefined ? {} : { count }),
  };
}

function beyond(count: number): string[] {
  return count > VIOLATIONS_SHOWN ? [`… and ${count - VIOLATIONS_SHOWN} other refusals.`] : [];
}

function sizes(name: string, { totalBytes, leftOutBytes, isBinary }: ShownText): string {
  if (totalBytes === 0) return `${name}: empty.`;
  const cut = leftOutBytes === 0 ? '' : `, of which ${leftOutBytes} are not shown`;
  return `${name}: ${totalBytes} bytes${isBinary ? ', binary' : cut}.`;
}

function streamOf({ text, totalBytes, leftOutBytes, isBinary }: ShownText) {
  return { text, bytes: totalBytes, left_out: leftOutBytes, binary: isBinary };
}

/** Of an engine; what a command printed is its stdout already. */
function returned({ value }: Evaluation): ShownText | undefined {
  if (value === undefined) return undefined;
  try {
    const text = JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}n` : each));
    return shownText(text ?? String(value), VALUE_SHOWN);
  } catch {
    return shownText('(a value that JSON cannot say)', VALUE_SHOWN);
  }
}

function thrownOf({ error }: Evaluation): ShownText | undefined {
  if (error === undefined) return undefined;
  const { name, message, stack, position } = error;
  const said = `${name}: ${message}`;
  if (position !== undefined) {
    const { file, line, column, excerpt } = position;
    return shownText(`${file}:${line}:${column}\n${excerpt}\n${said}`, VALUE_SHOWN);
  }
  return shownText(stack?.includes(message) === true ? stack : said, VALUE_SHOWN);
}
