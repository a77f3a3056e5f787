/** An outcome as JSON, and back. Nothing is lost: output that is no UTF-8, or was cut, comes as bytes beside its text. */
import * as z from 'zod/mini';
import type { CapturedOutput, Outcome } from '../core/outcome.ts';
import { KeptOutput } from '../sandbox/outcome.ts';
import { admissionReport } from './admission-report.ts';

export const outputSchema = z
  .object({
    text: z.string().check(z.describe('What was kept, as UTF-8; a line tells where it was cut')),
    totalBytes: z.int().check(z.describe('How many bytes the guest wrote')),
    truncated: z.boolean().check(z.describe('Whether some are missing')),
    base64: z
      .optional(z.string())
      .check(z.describe('The kept bytes; only where the text is not exactly them')),
    headBytes: z
      .optional(z.int())
      .check(z.describe('Where it was cut: so many of the kept bytes are its head')),
  })
  .check(z.describe('Kept output'));

const milliseconds = z.number().check(z.describe('Milliseconds'));
const bytes = z.number().check(z.describe('Bytes'));

export const usageSchema = z.object({
  wallMs: milliseconds,
  cpuUserMs: milliseconds,
  cpuSystemMs: milliseconds,
  memoryPeakBytes: bytes,
  memoryPeakSource: z
    .enum(['cgroup', 'rusage', 'engine'])
    .check(z.describe('cgroup: the whole tree; rusage: the largest process; engine: its heap')),
  processesPeak: z.optional(z.number()).check(z.describe('Most at once')),
  readBytes: z.optional(bytes),
  writtenBytes: z.optional(bytes),
  network: z
    .optional(
      z.object({
        connections: z.int().check(z.describe('Asked for, refused ones included')),
        sentBytes: bytes,
        receivedBytes: bytes,
        refusedPackets: z.int().check(z.describe('By the packet filter')),
      }),
    )
    .check(z.describe('Absent: no network of its own')),
});

export const violationSchema = z.object({
  kind: z.enum(['syscall', 'network', 'file', 'limit']).check(z.describe('What refused it')),
  reason: z.string().check(z.describe('What was refused, and what to ask for instead')),
  target: z.optional(z.string()).check(z.describe('Path, host:port/protocol, or system call')),
  pid: z.optional(z.int()).check(z.describe('In the host’s name space')),
  program: z.optional(z.string()).check(z.describe('Name of the process')),
  rule: z.optional(z.string()).check(z.describe('Clause of the policy')),
  count: z.optional(z.int()).check(z.describe('How often; absent: once')),
  details: z.record(z.string(), z.unknown()).check(z.describe('By kind')),
});

export const outcomeSchema = z.object({
  kind: z
    .enum(['exited', 'signaled', 'timed-out', 'out-of-memory', 'output-limit', 'denied', 'killed'])
    .check(z.describe('How the main process ended')),
  code: z.optional(z.int()).check(z.describe('Exit code, where it exited')),
  signal: z.optional(z.string()).check(z.describe('Where it was signaled')),
  clock: z.optional(z.enum(['wall', 'cpu', 'fuel'])).check(z.describe('Which one ran out')),
  stdout: outputSchema,
  stderr: outputSchema,
  limitsHit: z.array(z.string()).check(z.describe('Limits that were hit')),
  violations: z.array(violationSchema).check(z.describe('What was tried and refused')),
  usage: usageSchema,
  timing: z
    .object({ launchMs: milliseconds, runMs: milliseconds, teardownMs: milliseconds })
    .check(z.describe('From request to exec, to the end, until nothing was left')),
  wall: z.string().check(z.describe('What it ran behind')),
  wallReason: z.string().check(z.describe('Why that one')),
  policyDigest: z.string().check(z.describe('Of the policy it ran under')),
  auditId: z.string().check(z.describe('Its name in the audit log')),
  admission: z.optional(admissionReport),
  accepted: z.array(z.string()).check(z.describe('Weaknesses that were accepted by id')),
  changes: z
    .optional(
      z.object({
        pending: z.optional(z.string()),
        applied: z.int(),
        kept: z.int(),
        reason: z.optional(z.string()),
      }),
    )
    .check(z.describe('Of an overlaid workspace')),
  leftBehind: z.int().check(z.describe('Processes that were killed at its end')),
});

export type WireOutput = z.infer<typeof outputSchema>;
export type WireOutcome = z.infer<typeof outcomeSchema>;

export function outputToWire(output: CapturedOutput): WireOutput {
  const { text, totalBytes, truncated } = output;
  const kept = Buffer.from(output.bytes);
  const isExact = !truncated && Buffer.from(text).equals(kept);
  return {
    text,
    totalBytes,
    truncated,
    ...(isExact ? {} : { base64: kept.toString('base64') }),
    ...(truncated && output instanceof KeptOutput ? { headBytes: output.raw.headBytes } : {}),
  };
}

export function outputFromWire(output: WireOutput): CapturedOutput {
  const { text, base64, totalBytes, headBytes } = output;
  const kept = base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64');
  return new KeptOutput({ bytes: kept, totalBytes, headBytes: headBytes ?? kept.length });
}

export function outcomeToWire(outcome: Outcome): WireOutcome {
  return {
    ...(outcome as unknown as WireOutcome),
    stdout: outputToWire(outcome.stdout),
    stderr: outputToWire(outcome.stderr),
  };
}

export function outcomeFromWire(outcome: WireOutcome): Outcome {
  return {
    ...(outcome as unknown as Outcome),
    stdout: outputFromWire(outcome.stdout),
    stderr: outputFromWire(outcome.stderr),
  };
}
