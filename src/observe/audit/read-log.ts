/** Reads records, in order, without verifying them: for people who look, and for what is still to be shipped. */

import type { KeyObject } from 'node:crypto';
import { safeParse } from '../../core/safe-parse.ts';
import { checkKind, checkOptions } from '../../policy/known-options.ts';
import { RECORD_FILTER } from '../option-kinds.ts';
import { type Checkpoint, checkpointSchema, isGenuine } from './checkpoint.ts';
import { LineReader } from './line-reader.ts';
import { type LogFile, logFilesOf } from './log-files.ts';
import { type AuditRecord, parseRecord } from './record.ts';

export interface RecordFilter {
  /** Any of these events. */
  readonly events?: readonly string[];
  /** Run or sandbox. */
  readonly run?: string | undefined;
  readonly tenant?: string | undefined;
  /** Unix times, nanoseconds: from, and up to but not with. */
  readonly since?: bigint | undefined;
  readonly until?: bigint | undefined;
}

/**
 * Lines that are no record are left out: `verifyLog` tells of them.
 *
 * @throws REQUEST_INVALID at once; PATH_MISSING
 */
export function readLog(path: string, filter: RecordFilter = {}): Generator<AuditRecord> {
  checkKind(path, 'text', 'the path of an audit log', 'observe');
  checkOptions(filter, 'readLog', RECORD_FILTER, 'observe');
  return recordsOf(path, filter);
}

function* recordsOf(path: string, filter: RecordFilter): Generator<AuditRecord> {
  for (const file of logFilesOf(path)) {
    for (const line of linesOf(file)) {
      // Cheaper than parsing what is not wanted.
      if (filter.run !== undefined && !line.includes(filter.run)) continue;
      const record = parseRecord(line);
      if (record !== undefined && matches(record, filter)) yield record;
    }
  }
}

export function matches(record: AuditRecord, filter: RecordFilter): boolean {
  const { events, run, tenant, since, until } = filter;
  if (events !== undefined && events.length > 0 && !events.includes(record.event)) return false;
  if (run !== undefined && record.run !== run && record.sandbox !== run) return false;
  if (tenant !== undefined && record.tenant !== tenant) return false;
  if (since === undefined && until === undefined) return true;
  const ts = BigInt(record.ts);
  return (since === undefined || ts >= since) && (until === undefined || ts < until);
}

/** Genuine checkpoints that cover more than so many records, the oldest first. */
export function checkpointsFrom(path: string, size: number, key: KeyObject): Checkpoint[] {
  const files = logFilesOf(path);
  const found: Checkpoint[] = [];
  for (const [index, file] of files.entries()) {
    if ((files[index + 1]?.first ?? Number.POSITIVE_INFINITY) <= size) continue;
    for (const line of linesOf(file)) {
      if (!line.includes('"event":"checkpoint"')) continue;
      const details = safeParse(checkpointSchema, parseRecord(line)?.details).data;
      if (details !== undefined && details.size > size && isGenuine(details, key))
        found.push(details);
    }
  }
  return found;
}

/** Many may read at the same time. */
const PIECE = 256 * 1024;

function* linesOf({ path }: LogFile): Generator<string> {
  using reader = new LineReader(path, 0, PIECE);
  for (let newline = reader.newline(); newline >= 0; newline = reader.newline()) {
    yield reader.buffer.toString('utf8', reader.start, newline);
    reader.pass(newline);
  }
}
