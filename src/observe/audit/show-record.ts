/** A record as a person reads it: one line, and nothing that a terminal would obey. */
import { canonicalJson } from './canonical-json.ts';
import { pipeLine } from './pipe-line.ts';
import type { AuditRecord } from './record.ts';

export const RECORD_FORMATS = ['text', 'jsonl', 'pipe'] as const;
export type RecordFormat = (typeof RECORD_FORMATS)[number];

/** With its newline. */
export function showRecord(record: AuditRecord, format: RecordFormat): string {
  if (format === 'pipe') return `${pipeLine(record)}\n`;
  if (format === 'jsonl') return `${harmless(JSON.stringify(record))}\n`;
  const { ts, seq, event, run, sandbox, tenant, policy, details } = record;
  const named = Object.entries({ sandbox, tenant, policy }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const words = [isoTime(ts), String(seq), event, run ?? '-', ...named, canonicalJson(details)];
  return `${harmless(words.join(' '))}\n`;
}

/** RFC 3339 with all nine digits. */
export function isoTime(ts: string): string {
  const nanos = BigInt(ts);
  const seconds = new Date(Number(nanos / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`;
}

/** Control characters, line separators, and what turns the direction of text round. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function harmless(text: string): string {
  return text.replaceAll(
    OBEYED,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
