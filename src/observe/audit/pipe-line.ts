/**
 * A record as one line with fixed columns, for cut, awk and their like:
 *
 *   ts|seq|event|run|sandbox|tenant|policy|details|hash
 *
 * No column holds `|`, a control character or what turns text round on a terminal: they are `\x7c`, `\n`,
 * `\r`, `\t`, `\x00` …, `\u202e` …, and `\` is `\\`.
 * Such lines are not what is verified; the hash names the record that is.
 */
import { canonicalJson } from './canonical-json.ts';
import { type AuditRecord, parseRecord } from './record.ts';

const NAMED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is escaped
const SPECIAL = /[\\|\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export function pipeLine(record: AuditRecord): string {
  const {
    ts,
    seq,
    event,
    run = '',
    sandbox = '',
    tenant = '',
    policy = '',
    details,
    hash,
  } = record;
  const columns = [
    ts,
    String(seq),
    event,
    run,
    sandbox,
    tenant,
    policy,
    canonicalJson(details),
    hash,
  ];
  return columns.map(escapeColumn).join('|');
}

/** The inverse, without a newline at the end. @returns undefined for what is no such line */
export function parsePipeLine(line: string): AuditRecord | undefined {
  const columns = line.split('|').map(unescapeColumn);
  if (columns.length !== 9) return undefined;
  const [ts, seq, event, run, sandbox, tenant, policy, details = '', hash] = columns;
  try {
    const named = Object.entries({ run, sandbox, tenant, policy }).filter(
      ([, text]) => text !== '',
    );
    return parseRecord(
      JSON.stringify({
        seq: Number(seq),
        ts,
        event,
        ...Object.fromEntries(named),
        details: JSON.parse(details),
        hash,
      }),
    );
  } catch {
    return undefined;
  }
}

function escapeColumn(text: string): string {
  return text.replaceAll(SPECIAL, (found) => NAMED[found] ?? escapeCode(found.charCodeAt(0)));
}

function escapeCode(code: number): string {
  const digits = code.toString(16);
  return code < 256 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`;
}

function unescapeColumn(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };
  return text.replaceAll(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([nrt\\]))/g,
    (_, short?: string, long?: string, letter?: string) => {
      const code = short ?? long;
      return code === undefined
        ? (letters[letter ?? ''] ?? '')
        : String.fromCharCode(Number.parseInt(code, 16));
    },
  );
}
