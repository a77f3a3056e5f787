/** Rows of cells, below each other. */

export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) => {
      const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0));
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}
