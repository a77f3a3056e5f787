/**
 * What `caisson explain` says: every clause of the policy, what enforces it on this host, and the test that shows it.
 */
import type { Compiled } from './plan.ts';

export interface Explanation {
  readonly wall: string;
  readonly wallReason: string;
  readonly enforced: Compiled['enforced'];
  readonly unenforceable: Compiled['unenforceable'];
  readonly notes: Compiled['notes'];
  /** The flag that would go on without what cannot be enforced; absent when nothing is missing or nothing may be lifted. */
  readonly accept?: string;
}

export function explain(compiled: Compiled): Explanation {
  const { wall, wallReason, enforced, unenforceable, notes } = compiled;
  const liftable = unenforceable.length > 0 && unenforceable.every((item) => item.acceptable);
  return {
    wall,
    wallReason,
    enforced,
    unenforceable,
    notes,
    ...(liftable ? { accept: `--accept ${unenforceable.map(({ id }) => id).join(',')}` } : {}),
  };
}

/** The table as text, for a terminal of `columns` characters (default 100). */
export function renderExplanation(explanation: Explanation, columns = 100): string {
  const rows = explanation.enforced.map((row) => [
    row.clause,
    row.value,
    row.mechanisms.join(' + '),
    row.test,
  ]);
  const lines = [
    `wall  ${explanation.wallReason}`,
    '',
    ...table(['CLAUSE', 'VALUE', 'ENFORCED BY', 'SHOWN BY'], rows, columns),
  ];
  if (explanation.unenforceable.length > 0) {
    lines.push('', 'NOT ENFORCEABLE ON THIS HOST');
    for (const { id, clause, reason, cure } of explanation.unenforceable) {
      lines.push(`  ${id}`, `    ${clause}: ${reason}`, `    cure: ${cure}`);
    }
    lines.push(
      explanation.accept === undefined
        ? '  A run is refused, and no --accept lifts that.'
        : `  A run is refused without: ${explanation.accept}`,
    );
  }
  if (explanation.notes.length > 0) {
    lines.push('', 'NOTES', ...explanation.notes.map((note) => `  ${note}`));
  }
  return `${lines.join('\n')}\n`;
}

/** First and last column as wide as they need; the two between share the rest and wrap. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): string[] {
  const all = [head, ...rows];
  const widest = (column: number): number =>
    Math.max(...all.map((row) => row[column]?.length ?? 0));
  const gap = 2;
  const rest = Math.max(40, columns - widest(0) - widest(3) - 3 * gap);
  const second = Math.min(widest(1), Math.floor(rest * 0.45));
  const widths = [widest(0), second, Math.min(widest(2), rest - second), widest(3)];
  return all.flatMap((row) => {
    const cells = row.map((cell, column) => wrap(cell, widths[column] ?? cell.length));
    const height = Math.max(...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) =>
      cells
        .map((cell, column) => (cell[line] ?? '').padEnd(widths[column] ?? 0))
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  });
}

/** At spaces where there are any; a longer word is cut. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    let rest = word;
    if (line !== '' && line.length + 1 + rest.length > width) {
      lines.push(line);
      line = '';
    }
    while (rest.length > width) {
      lines.push(rest.slice(0, width));
      rest = rest.slice(width);
    }
    line = line === '' ? rest : `${line} ${rest}`;
  }
  lines.push(line);
  return lines;
}
