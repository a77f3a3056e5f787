/**
 * The rule by which samples are train, validation or held-out. Rules are tuned and the model is fitted on `train`,
 * the operating point is chosen on `validation`, and `held-out` is measured once.
 *
 * - A cluster of near-duplicates is on one side as a whole.
 * - Malicious: clusters of one source in the order in which their first member was seen; the first 60 % are train, the
 *   next 20 % validation, the last 20 % held-out, where the clusters that one package brought weigh 1 together.
 *   Clusters first seen on one day stay together. A member of a train cluster that was seen after the train part ended
 *   is dropped: nobody could have learned from it. Where no day is known, the digest decides as it does for packages.
 * - Benign: by package, a digest of its name; a cluster is where its alphabetically first package is, and members of
 *   packages on another side are dropped.
 * - A cluster with benign members holds no malicious ones: malicious packages carry files of the packages that they
 *   imitate. Those are dropped as malicious and counted.
 * - Sources named `heldOutOnly` are never trained on.
 */
import { createHash } from 'node:crypto';

export type Part = 'train' | 'validation' | 'held-out';

export interface Placed {
  readonly source: string;
  readonly malicious: boolean;
  readonly package: string;
  /** YYYYMMDD; 0 where it is not known: counts as the earliest. */
  readonly date: number;
  readonly cluster: number;
  readonly heldOutOnly?: boolean;
}

export const TRAIN_SHARE = 0.6;
export const VALIDATION_SHARE = 0.2;

export function partOfPackage(name: string): Part {
  const share =
    createHash('sha256').update(`caisson-threat-split:${name}`).digest().readUInt32BE() / 2 ** 32;
  if (share < TRAIN_SHARE) return 'train';
  return share < TRAIN_SHARE + VALIDATION_SHARE ? 'validation' : 'held-out';
}

interface Boundaries {
  /** First day that is no longer train, and first that is held-out. */
  readonly validation: number;
  readonly heldOut: number;
}

/** Quantiles of days, each with what it weighs. */
function boundariesOf(days: readonly (readonly [day: number, weight: number])[]): Boundaries {
  const sorted = days.toSorted(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0);
  const at = (share: number): number => {
    let below = 0;
    for (const [day, weight] of sorted) {
      below += weight;
      if (below > share * total) return day;
    }
    return sorted.at(-1)?.[0] ?? 0;
  };
  return { validation: at(TRAIN_SHARE), heldOut: at(TRAIN_SHARE + VALIDATION_SHARE) };
}

export interface Split {
  /** For each sample; undefined: dropped. */
  readonly parts: readonly (Part | undefined)[];
  readonly boundaries: Readonly<Record<string, Boundaries>>;
  /** Malicious samples that stand in a cluster with benign ones. */
  readonly mixed: number;
}

interface Origin {
  readonly source: string;
  readonly date: number;
  readonly package: string;
}

/** Where each cluster was seen first; sources that are held out only tell nothing to those that are not. */
function originsOf(
  samples: readonly Placed[],
  counts: (sample: Placed) => boolean,
): Map<number, Origin> {
  const origins = new Map<number, Origin>();
  for (const sample of samples) {
    if (!counts(sample)) continue;
    const known = origins.get(sample.cluster);
    const isFirst =
      known === undefined ||
      sample.date < known.date ||
      (sample.date === known.date && sample.package < known.package);
    if (isFirst) origins.set(sample.cluster, sample);
  }
  return origins;
}

export function split(samples: readonly Placed[]): Split {
  const benign = originsOf(samples, (sample) => !sample.malicious);
  const isMixed = (sample: Placed): boolean => sample.malicious && benign.has(sample.cluster);
  const origins = originsOf(
    samples,
    (sample) => sample.malicious && sample.heldOutOnly !== true && !isMixed(sample),
  );
  // A package that brings many new clusters weighs what one that brings one does.
  const brought = new Map<string, number>();
  const nameOf = (origin: Origin): string => `${origin.source}\n${origin.package}`;
  for (const origin of origins.values()) {
    brought.set(nameOf(origin), (brought.get(nameOf(origin)) ?? 0) + 1);
  }
  const days = new Map<string, [number, number][]>();
  for (const origin of origins.values()) {
    if (origin.date === 0) continue;
    const known = days.get(origin.source) ?? [];
    known.push([origin.date, 1 / (brought.get(nameOf(origin)) as number)]);
    days.set(origin.source, known);
  }
  const boundaries: Record<string, Boundaries> = {};
  for (const [source, known] of days) boundaries[source] = boundariesOf(known);
  const partOf = (origin: Origin): Part => {
    const boundary = boundaries[origin.source];
    if (origin.date === 0 || boundary === undefined) return partOfPackage(origin.package);
    if (origin.date < boundary.validation) return 'train';
    return origin.date < boundary.heldOut ? 'validation' : 'held-out';
  };
  const parts = samples.map((sample): Part | undefined => {
    if (!sample.malicious) {
      const part = partOfPackage((benign.get(sample.cluster) as Origin).package);
      return partOfPackage(sample.package) === part ? part : undefined;
    }
    if (isMixed(sample)) return undefined;
    const origin = origins.get(sample.cluster);
    if (sample.heldOutOnly === true) return origin === undefined ? 'held-out' : undefined;
    const part = partOf(origin as Origin);
    if (sample.date === 0 || sample.source !== (origin as Origin).source) return part;
    return partOf(sample) === part ? part : undefined;
  });
  return { parts, boundaries, mixed: samples.filter(isMixed).length };
}
