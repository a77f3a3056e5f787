/**
 * The rule by which samples are train, validation or held-out. The model is fitted on `train`, the operating point is
 * chosen on `validation`, and `held-out` is measured once.
 *
 * - A cluster of near-duplicates is on one side as a whole.
 * - Malicious: clusters of one source in the order in which their first member was seen, where the clusters that one
 *   package brought weigh 1 together; the first 66 % are train. Of the later ones those with a member that authors of
 *   rules may have read are validation, and the others held-out. Clusters first seen on one day are all train or all
 *   later. A member of a train cluster that was seen after the train part ended is dropped: nobody could have learned
 *   from it. Where no day is known, a digest of the name decides what is train.
 * - Benign: by package, a digest of its name, train or validation; a cluster is where its alphabetically first package
 *   is, and members of packages on another side are dropped.
 * - Benign packages named `heldOutOnly` were had after all rules and earlier models had been made: they are held-out, but
 *   for files of clusters that stand in other packages, too.
 * - A cluster with benign members holds no malicious ones: malicious packages carry files of the packages that they
 *   imitate. Those are dropped as malicious and counted.
 * - Malicious sources named `heldOutOnly` are never trained on.
 *
 * This is the second split. The first one's held-out part (its later days, and a fifth of the benign packages) has been
 * measured, in sums; the benign part of this one is new, and its malware is what nobody who wrote rules may have read.
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
  readonly seenByAuthors?: boolean;
}

export const TRAIN_SHARE = 0.66;

export const isTrainName = (name: string): boolean =>
  createHash('sha256').update(`caisson-threat-split-2:${name}`).digest().readUInt32BE() / 2 ** 32 <
  TRAIN_SHARE;

/** The first day that is no longer train: a quantile of days, each with what it weighs. */
function boundaryOf(days: readonly (readonly [day: number, weight: number])[]): number {
  const sorted = days.toSorted(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0);
  let below = 0;
  for (const [day, weight] of sorted) {
    below += weight;
    if (below > TRAIN_SHARE * total) return day;
  }
  return sorted.at(-1)?.[0] ?? 0;
}

export interface Split {
  /** For each sample; undefined: dropped. */
  readonly parts: readonly (Part | undefined)[];
  /** Of each malicious source with days: the first one that is not train. */
  readonly boundaries: Readonly<Record<string, number>>;
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
  const benign = originsOf(samples, (sample) => !sample.malicious && sample.heldOutOnly !== true);
  const later = originsOf(samples, (sample) => !sample.malicious && sample.heldOutOnly === true);
  const isMixed = ({ malicious, cluster }: Placed): boolean =>
    malicious && (benign.has(cluster) || later.has(cluster));
  const origins = originsOf(
    samples,
    (sample) => sample.malicious && sample.heldOutOnly !== true && !isMixed(sample),
  );
  const seen = new Set(
    samples.filter((one) => one.seenByAuthors === true).map((one) => one.cluster),
  );
  const boundaries = boundariesOf(origins.values());
  const partOf = (origin: Origin, cluster: number): Part => {
    const boundary = boundaries[origin.source];
    const isTrain =
      origin.date === 0 || boundary === undefined
        ? isTrainName(origin.package)
        : origin.date < boundary;
    if (isTrain) return 'train';
    return seen.has(cluster) ? 'validation' : 'held-out';
  };
  const ofName = (name: string): Part => (isTrainName(name) ? 'train' : 'validation');
  const parts = samples.map((sample): Part | undefined => {
    if (!sample.malicious) {
      const first = benign.get(sample.cluster);
      if (sample.heldOutOnly === true) return first === undefined ? 'held-out' : undefined;
      const part = ofName((first as Origin).package);
      return ofName(sample.package) === part ? part : undefined;
    }
    if (isMixed(sample)) return undefined;
    const origin = origins.get(sample.cluster);
    if (sample.heldOutOnly === true) return origin === undefined ? 'held-out' : undefined;
    const part = partOf(origin as Origin, sample.cluster);
    if (sample.date === 0 || sample.source !== (origin as Origin).source) return part;
    return part === 'train' && partOf(sample, sample.cluster) !== part ? undefined : part;
  });
  return { parts, boundaries, mixed: samples.filter(isMixed).length };
}

function boundariesOf(origins: Iterable<Origin>): Record<string, number> {
  const all = [...origins];
  const nameOf = (origin: Origin): string => `${origin.source}\n${origin.package}`;
  // A package that brings many new clusters weighs what one that brings one does.
  const brought = new Map<string, number>();
  for (const origin of all) brought.set(nameOf(origin), (brought.get(nameOf(origin)) ?? 0) + 1);
  const days = Map.groupBy(
    all.filter((origin) => origin.date !== 0),
    (origin) => origin.source,
  );
  return Object.fromEntries(
    [...days].map(([source, members]) => [
      source,
      boundaryOf(
        members.map((one) => [one.date, 1 / (brought.get(nameOf(one)) as number)] as const),
      ),
    ]),
  );
}
