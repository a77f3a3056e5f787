/**
 * A record, and its line. A line is one JSON object; its last member is the hash of the bytes before it:
 *
 *   {"seq":7,"ts":"1763…","event":"ended","run":"run_…",…,"details":{…},"hash":"<64 hexadecimal digits>"}
 *
 * What is hashed begins with the hash of the line before: in the file these bytes lie next to each other, from that
 * hash's first digit to this line's `"hash":"`. So a chain is verified on a file's bytes, without parsing them.
 */

import { hash } from 'node:crypto';
import { z } from 'zod';
import { safeParse } from '../../core/safe-parse.ts';

/** First line of every file: what log this is, and what the file follows. */
export const headerSchema = z.strictObject({
  format: z.literal('caisson-audit/1').describe('Version of this format'),
  log: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .describe('Random name of the log'),
  key: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('SHA-256 of the public key that signs it'),
  prev: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Hash of the record before; zeros: there is none'),
  checkpoint: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Hash of the checkpoint before; zeros: there is none'),
  peaks: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .describe('Peaks of the tree of all records before'),
  every: z.int().min(1).describe('At least so often, in records, there is a checkpoint'),
});

export type Header = z.infer<typeof headerSchema>;

export const recordSchema = z.strictObject({
  seq: z.int().min(0).describe('Counts from 0 over all files of a log'),
  ts: z
    .string()
    .regex(/^\d{1,20}$/)
    .describe('Unix time in nanoseconds, rising'),
  event: z.string().describe('What happened'),
  run: z.string().optional().describe('Audit id of the run, or id of the sandbox'),
  sandbox: z
    .string()
    .optional()
    .describe('Sandbox that the run happened in, where it is one that stays'),
  tenant: z.string().optional().describe('Who it ran for'),
  policy: z.string().optional().describe('Digest of the policy'),
  details: z.record(z.string(), z.unknown()).describe('What else is known, by event'),
  hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('SHA-256, over the record before too'),
});

export type AuditRecord = z.infer<typeof recordSchema>;

/** What becomes a record once it has its place. `details` is canonical JSON of an object. */
export interface RecordDraft {
  readonly event: string;
  readonly run?: string | undefined;
  readonly sandbox?: string | undefined;
  readonly tenant?: string | undefined;
  readonly policy?: string | undefined;
  readonly details: string;
}

/** Between a line's own hash and the line after: what closes a record. */
export const LINE_END = '"}\n';
export const HASH_MEMBER = ',"hash":"';
export const HASH_DIGITS = 64;
export const NO_RECORD = '0'.repeat(HASH_DIGITS);

/** A line up to its hash. */
export function lineBody(draft: RecordDraft, seq: number, ts: bigint): string {
  let body = `{"seq":${seq},"ts":"${ts}","event":"${draft.event}"`;
  if (draft.run !== undefined) body += `,"run":${JSON.stringify(draft.run)}`;
  if (draft.sandbox !== undefined) body += `,"sandbox":${JSON.stringify(draft.sandbox)}`;
  if (draft.tenant !== undefined) body += `,"tenant":${JSON.stringify(draft.tenant)}`;
  if (draft.policy !== undefined) body += `,"policy":${JSON.stringify(draft.policy)}`;
  return `${body},"details":${draft.details}${HASH_MEMBER}`;
}

export function recordHash(previous: string, body: string): string {
  return hash('sha256', previous + LINE_END + body, 'hex');
}

/** @returns undefined for what is no record */
export function parseRecord(line: string): AuditRecord | undefined {
  try {
    const given: unknown = JSON.parse(line);
    const { data } = safeParse(recordSchema, given);
    // As they were read: what zod makes of a record lacks a member that is called `__proto__`.
    return data && { ...data, details: (given as AuditRecord).details };
  } catch {
    return undefined;
  }
}
