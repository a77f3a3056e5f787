/**
 * A record as one line with fixed columns, for cut, awk and their like:
 *
 *   ts|seq|event|run|sandbox|tenant|policy|details|hash
 *
 * No column holds `|` or a control character: they are `\x7c`, `\n`, `\r`, `\t`, `\x00` …, and `\` is `\\`.
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
const SPECIAL = /[\\|\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

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
  return text.replaceAll(
    SPECIAL,
    (found) => NAMED[found] ?? `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function unescapeColumn(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };
  return text.replaceAll(
    /\\(?:x(2028|2029|[0-9a-f]{2})|([nrt\\]))/g,
    (_, code: string | undefined, letter: string | undefined) =>
      code === undefined
        ? (letters[letter ?? ''] ?? '')
        : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
