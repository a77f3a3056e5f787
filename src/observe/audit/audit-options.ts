/** How an audit log is kept. */

import { z } from 'zod';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { checkOptions } from '../../policy/known-options.ts';
import { AUDIT } from '../option-kinds.ts';
import type { Checkpoint } from './checkpoint.ts';

const MiB = 1024 * 1024;

/** Somewhere else that checkpoints go. Resolves once they are safe there; rejects to be asked again. */
export type ShipCheckpoints = (checkpoints: readonly Checkpoint[]) => Promise<void>;

const shipSchema = z.union([
  z.strictObject({
    directory: z
      .string()
      .min(1)
      .describe('A file for each log is made there; another disk, or a mount'),
  }),
  z.strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .describe('Gets a POST with a line of JSON for each checkpoint'),
    headers: z.record(z.string(), z.string()).optional().describe('Of that request'),
  }),
  z.custom<ShipCheckpoints>((value) => typeof value === 'function'),
]);

export const auditOptionsSchema = z.strictObject({
  directory: z.string().min(1).describe('Where the log lies; made, 0700, where it is missing'),
  key: z
    .string()
    .min(1)
    .optional()
    .describe(
      'PEM file of the Ed25519 key that signs checkpoints; made where it is missing. Default: the directory’s name with .key, beside it',
    ),
  checkpointEvery: z
    .strictObject({
      records: z.int().min(1).max(1_000_000).default(1024).describe('At least so often'),
      seconds: z
        .number()
        .min(0.01)
        .max(86_400)
        .default(1)
        .describe('And where there are records, so often'),
    })
    .prefault({})
    .describe('What a checkpoint covers cannot be altered unseen'),
  fsync: z
    .enum(['always', 'interval', 'never'])
    .default('always')
    .describe(
      'When a record counts as written. always: it is on the disk (one fdatasync for all that wait); interval, never: the kernel has it, so that a crash of the machine, not of the process, loses the last ones',
    ),
  fsyncSeconds: z.number().min(0.01).max(3600).default(1).describe('For `interval`'),
  rotate: z
    .strictObject({
      bytes: z
        .int()
        .min(4096)
        .default(64 * MiB)
        .describe('A file that has so many gets no more'),
      seconds: z.number().min(1).optional().describe('A file that is so old gets no more'),
    })
    .prefault({}),
  keep: z
    .strictObject({
      files: z.int().min(1).optional().describe('So many files at most, the oldest go'),
      seconds: z.number().min(1).optional().describe('Files whose last record is older go'),
    })
    .optional()
    .describe(
      'Default: everything. A file goes only when it verifies and its checkpoints are shipped',
    ),
  ship: z.array(shipSchema).default([]).describe('Second places for checkpoints'),
  queue: z
    .strictObject({
      records: z
        .int()
        .min(1)
        .max(10_000_000)
        .default(65_536)
        .describe('So many may wait to be written; twice as many are taken from runs that go on'),
      whenFull: z
        .enum(['fail', 'block'])
        .default('fail')
        .describe(
          'What `ready` does while the log cannot be written, or as many wait: refuse, or hold up',
        ),
    })
    .prefault({}),
  lines: z
    .boolean()
    .default(false)
    .describe('Beside each file another, .psv, with columns for simple tools'),
  secrets: z
    .custom<() => readonly string[]>((value) => typeof value === 'function')
    .optional()
    .describe('Values that are never written: asked for with each event, replaced by [secret]'),
  lockSeconds: z
    .number()
    .min(0)
    .max(3600)
    .default(0)
    .describe('How long to wait for another writer of this log'),
});

export type AuditOptions = z.input<typeof auditOptionsSchema>;
export type AuditSettings = z.output<typeof auditOptionsSchema>;
export type ShipTarget = z.output<typeof shipSchema>;

/** @throws REQUEST_INVALID */
export function parseAuditOptions(options: AuditOptions): AuditSettings {
  // Before the schema, for its hints.
  checkOptions(options, 'AuditLog.open', AUDIT, 'observe');
  const parsed = safeParse(auditOptionsSchema, options);
  if (parsed.success) return parsed.data;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'observe',
    message: `the options of the audit log: ${z.prettifyError(parsed.error)}`,
    hint: 'docs/audit.md has a table of them',
  });
}
