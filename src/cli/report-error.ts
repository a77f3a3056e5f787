/**
 * An error as people read it: what, where, and what to type next.
 */
import type { Finding } from '../core/admission.ts';
import { CaissonError, errorCodes, isCaissonError } from '../core/error.ts';

/** A fault of ours is still a CaissonError to whoever reads it. */
export function asCaissonError(error: unknown): CaissonError {
  if (isCaissonError(error)) return error;
  return new CaissonError('INTERNAL', {
    layer: 'cli',
    message: `a fault in Caisson itself: ${error instanceof Error ? error.message : String(error)}`,
    hint: 'please report it, with what --json prints',
    details: error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {},
    cause: error,
  });
}

export function exitCodeOfError(error: CaissonError): number {
  // An error of another copy of the library may have a code that we do not know.
  return errorCodes[error.code]?.exit ?? errorCodes.INTERNAL.exit;
}

/** Lines for stderr. */
export function renderError(error: CaissonError, words: readonly string[]): string {
  const lines = [`caisson: ${error.message}`];
  const list = error.code === 'UNENFORCEABLE' ? missing(error) : [];
  if (list.length > 0) {
    lines[0] = 'caisson: this host cannot enforce all of the policy; nothing was run';
    lines.push(...list);
    const accept = error.details.accept;
    const ids = Array.isArray(accept) ? accept.map(String) : [];
    if (ids.length > 0)
      lines.push('', 'to go on without them, type:', `  ${withAccept(words, ids)}`);
    return `${lines.join('\n')}\n`;
  }
  lines.push(...foundIn(error));
  if (error.cause instanceof Error && !error.message.includes(error.cause.message)) {
    lines.push(`  because: ${error.cause.message}`);
  }
  // A problem of a document ends with what to do about it.
  if (error.hint !== undefined && !error.message.includes(`(${error.hint})`)) {
    lines.push(`  ${error.hint}`);
  }
  return `${lines.join('\n')}\n`;
}

const FINDINGS_SHOWN = 5;

/** Why code was not admitted. Findings hold parts of the code: nothing of them may steer a terminal. */
function foundIn({ details }: CaissonError): string[] {
  const { findings } = (details.admission ?? {}) as { findings?: readonly Finding[] };
  if (!Array.isArray(findings)) return [];
  const counted = (findings as readonly Finding[]).filter(({ score }) => score > 0);
  const lines = counted.slice(0, FINDINGS_SHOWN).flatMap((finding) => {
    const { path, range, score, rule, explanation, excerpt } = finding;
    const where = `${path === undefined ? '' : `${path}:`}${range.line}:${range.column}`;
    return [
      printable(`  ${where}  ${rule} (${score})  ${explanation}`),
      ...(excerpt === '' ? [] : [printable(`    ${excerpt}`)]),
    ];
  });
  const more = counted.length - FINDINGS_SHOWN;
  return more > 0 ? [...lines, `  and ${more} more: --json shows them`] : lines;
}

function printable(text: string): string {
  return text.replaceAll(/[\p{C}\u2028\u2029]/gu, '?');
}

function missing(error: CaissonError): string[] {
  const found = error.details.unenforceable;
  if (!Array.isArray(found)) return [];
  return found.flatMap(({ id, reason, cure, acceptable }) => [
    `  ${id}: ${reason}`,
    `    cure: ${cure}`,
    ...(acceptable === false ? ['    cannot be accepted'] : []),
  ]);
}

/** The command line as it was typed, with the flag in its place: before the guest's own words. */
export function withAccept(words: readonly string[], ids: readonly string[]): string {
  const at = words[0] === 'policy' || words[0] === 'module' ? 2 : 1;
  const line = [...words.slice(0, at), '--accept', ids.join(','), ...words.slice(at)];
  return ['caisson', ...line].map(quoteForShell).join(' ');
}

export function quoteForShell(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
