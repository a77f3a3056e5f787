/** Figures with their uncertainty. */

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Wilson score interval, 95 %: E. B. Wilson, JASA 22 (1927). */
export function wilson(hits: number, total: number): Interval {
  if (total === 0) return { value: Number.NaN, low: 0, high: 1 };
  const z = 1.959964;
  const p = hits / total;
  const scale = 1 + z ** 2 / total;
  const centre = (p + z ** 2 / (2 * total)) / scale;
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / total + z ** 2 / (4 * total ** 2));
  return { value: p, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

export interface Scored {
  readonly score: number;
  readonly malicious: boolean;
  /** What is drawn as one by the bootstrap. */
  readonly group: string;
  readonly weight: number;
}

/** Weighted share that is at or above a threshold, with a percentile bootstrap over groups, 95 %, seeded. */
export function shareAbove(scored: readonly Scored[], threshold: number, rounds = 400): Interval {
  const groups = [...Map.groupBy(scored, (one) => one.group).values()].map((members) => ({
    hits: members.reduce((sum, one) => sum + (one.score >= threshold ? one.weight : 0), 0),
    total: members.reduce((sum, one) => sum + one.weight, 0),
  }));
  if (groups.length === 0) return { value: Number.NaN, low: 0, high: 1 };
  const share = (of: Iterable<{ hits: number; total: number }>): number => {
    let hits = 0;
    let total = 0;
    for (const group of of) {
      hits += group.hits;
      total += group.total;
    }
    return hits / total;
  };
  let state = 12345;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const drawn = Array.from({ length: rounds }, () =>
    share(groups.map(() => groups[Math.floor(random() * groups.length)] as (typeof groups)[0])),
  ).sort((a, b) => a - b);
  return {
    value: share(groups),
    low: drawn[Math.floor(rounds * 0.025)] as number,
    high: drawn[Math.floor(rounds * 0.975)] as number,
  };
}

/** The lowest threshold at which at most `rate` of the weight of benign ones is at or above it. */
export function thresholdAt(scored: readonly Scored[], rate: number): number {
  const benign = scored.filter((one) => !one.malicious).sort((a, b) => b.score - a.score);
  const allowed = rate * benign.reduce((sum, one) => sum + one.weight, 0);
  let above = 0;
  for (let at = 0; at < benign.length; ) {
    const score = (benign[at] as Scored).score;
    let end = at;
    let weight = 0;
    while (end < benign.length && (benign[end] as Scored).score === score) {
      weight += (benign[end++] as Scored).weight;
    }
    if (above + weight > allowed) return score + Math.max(1e-9, Math.abs(score) * 1e-9);
    above += weight;
    at = end;
  }
  return Number.NEGATIVE_INFINITY;
}

/** Area under the ROC curve, weighted; ties count half. */
export function areaUnderCurve(scored: readonly Scored[]): number {
  const sorted = scored.toSorted((a, b) => a.score - b.score);
  let benignBelow = 0;
  let area = 0;
  let malicious = 0;
  for (let at = 0; at < sorted.length; ) {
    const score = (sorted[at] as Scored).score;
    let benignHere = 0;
    let maliciousHere = 0;
    for (; at < sorted.length && (sorted[at] as Scored).score === score; at++) {
      const one = sorted[at] as Scored;
      if (one.malicious) maliciousHere += one.weight;
      else benignHere += one.weight;
    }
    area += maliciousHere * (benignBelow + benignHere / 2);
    benignBelow += benignHere;
    malicious += maliciousHere;
  }
  return area / (malicious * benignBelow);
}
