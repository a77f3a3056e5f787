/** `caisson audit query PATH`. */
import { resolve } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import { parseCount, parseDuration } from '../../core/units.ts';
import { type RecordFilter, readLog } from '../../observe/audit/read-log.ts';
import { type RecordFormat, showRecord } from '../../observe/audit/show-record.ts';
import type { Action, Flag } from '../command.ts';
import { writeAll } from '../write-all.ts';

export type FilterFlags = {
  readonly event: Flag & { readonly value: string; readonly repeatable: true };
  readonly run: Flag & { readonly value: string };
  readonly tenant: Flag & { readonly value: string };
  readonly format: Flag & { readonly value: string };
};
type QueryFlags = FilterFlags & {
  readonly since: Flag & { readonly value: string };
  readonly until: Flag & { readonly value: string };
  readonly limit: Flag & { readonly value: string };
};

/** Characters that are gathered before they are written. */
const PIECE = 64 * 1024;
const NANOS_PER_MS = 1_000_000n;

export const action: Action<QueryFlags> = async ({ flags, positionals: [path = ''], json }) => {
  const { since, until } = flags;
  const filter: RecordFilter = {
    ...filterOf(flags),
    ...(since === undefined ? {} : { since: parseTime(since) }),
    ...(until === undefined ? {} : { until: parseTime(until) }),
  };
  const limit = flags.limit === undefined ? Number.POSITIVE_INFINITY : parseCount(flags.limit);
  const found = readLog(resolve(path), filter).take(limit);
  if (json) return { exit: 0, document: { records: [...found] } };
  const format = formatOf(flags.format);
  let text = '';
  let count = 0;
  for (const record of found) {
    count++;
    text += showRecord(record, format);
    if (text.length < PIECE) continue;
    await writeAll(1, text);
    text = '';
  }
  return { exit: 0, document: {}, text, notes: count === 0 ? ['no record matches'] : [] };
};

type Given = {
  readonly event?: readonly string[];
  readonly run?: string;
  readonly tenant?: string;
};

export function filterOf({ event = [], run, tenant }: Given): RecordFilter {
  return { events: event, run, tenant };
}

export function formatOf(name = 'text'): RecordFormat {
  if (name === 'text' || name === 'jsonl' || name === 'pipe') return name;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `${JSON.stringify(name)} is no format`,
    hint: 'write text, jsonl or pipe',
  });
}

/** `2026-01-31`, `2026-01-31T12:00:00Z`, nanoseconds since 1970, or so long ago: `2h`. Throws REQUEST_INVALID. */
export function parseTime(text: string, now = Date.now()): bigint {
  if (/^\d{16,20}$/.test(text)) return BigInt(text);
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(date)) return BigInt(date) * NANOS_PER_MS;
  if (/^[\d.]+[a-z]/.test(text)) return BigInt(now - parseDuration(text)) * NANOS_PER_MS;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'cli',
    message: `${JSON.stringify(text)} is not a time`,
    hint: 'write a day such as 2026-01-31, a time such as 2026-01-31T12:00:00Z, how long ago such as 2h, or nanoseconds since 1970',
  });
}
