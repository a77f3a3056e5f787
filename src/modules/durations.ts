/** Durations in buckets that grow by a fourth of a power of two, from a microsecond to an hour: quantiles within a tenth. */

const STEPS = 4;
const BUCKETS = 128;

export function bucketOf(ms: number): number {
  const bucket = Math.round(Math.log2(Math.max(ms * 1000, 1)) * STEPS);
  return Math.min(BUCKETS, bucket);
}

/** @param counts by bucket @param share 0.5 is the median @returns milliseconds; 0 where nothing is counted */
export function quantileOf(counts: Readonly<Record<string, number>>, share: number): number {
  const buckets = Object.keys(counts).map(Number);
  buckets.sort((a, b) => a - b);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  let left = Math.ceil(total * share);
  for (const bucket of buckets) {
    left -= counts[bucket] ?? 0;
    if (left <= 0) return 2 ** (bucket / STEPS) / 1000;
  }
  return 0;
}
