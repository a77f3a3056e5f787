/** The files of a log: named after the sequence number of their first record, so that names sort as records do. */

import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import { LineReader } from './line-reader.ts';
import { type AuditRecord, type Header, headerSchema, parseRecord } from './record.ts';

const DIGITS = 16;
const shape = /^(\d{16})\.jsonl$/;

export interface LogFile {
  readonly path: string;
  /** Sequence number of the first record, as the name says it; -1 where the name says nothing. */
  readonly first: number;
}

/** `psv`: the lines for simple tools, beside the log. */
export function logFileName(first: number, extension: 'jsonl' | 'psv' = 'jsonl'): string {
  return `${String(first).padStart(DIGITS, '0')}.${extension}`;
}

/** The files of a directory, in order. A file of any name is a log of one file. @throws PATH_MISSING */
export function logFilesOf(path: string): LogFile[] {
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined) throw noLog(path);
  if (!kind.isDirectory()) return [{ path, first: firstOf(basename(path)) }];
  return readdirSync(path)
    .map((name) => ({ path: join(path, name), first: firstOf(name) }))
    .filter(({ first }) => first >= 0)
    .sort((a, b) => a.first - b.first);
}

/** Record and header that a file begins with; undefined where it begins with something else. */
export function readHeader(
  path: string,
): { readonly record: AuditRecord; readonly header: Header } | undefined {
  using reader = new LineReader(path);
  const newline = reader.newline();
  if (newline < 0) return undefined;
  const record = parseRecord(reader.buffer.toString('utf8', reader.start, newline));
  const header = safeParse(headerSchema, record?.details).data;
  return record?.event === 'log' && header !== undefined ? { record, header } : undefined;
}

export function noLog(path: string): CaissonError {
  return new CaissonError('PATH_MISSING', {
    layer: 'observe',
    message: `there is no audit log at ${path}`,
    hint: 'name the directory that the log is written to, or one of its .jsonl files',
  });
}

function firstOf(name: string): number {
  const digits = shape.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}
