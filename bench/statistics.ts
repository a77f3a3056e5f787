/** What a list of samples comes to. Medians, because one disturbed sample must not move a result. */
export interface Summary {
  readonly samples: number;
  readonly median: number;
  /** Half the samples lie between these two. */
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly p99: number;
}

/** The value below which the share `at` (0–1) of the samples lies; linear between neighbours. */
export function quantile(sorted: readonly number[], at: number): number {
  const position = (sorted.length - 1) * at;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    samples: sorted.length,
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
    p99: quantile(sorted, 0.99),
  };
}
