interface Line {
  readonly cents: number;
  readonly count: number;
}
export const total = (lines: readonly Line[], tax = 0.19): number =>
  Math.round(lines.reduce((sum, { cents, count }) => sum + cents * count, 0) * (1 + tax));
