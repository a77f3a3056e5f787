/**
 * What is counted: files and packages of a part, each with the files whose scores decide, the group that is drawn as
 * one by the bootstrap, and a weight by which near-duplicates count once.
 */
import type { Collected } from './collect.ts';
import type { Part } from './split.ts';

export interface Unit {
  readonly source: string;
  readonly language: 'javascript' | 'python';
  readonly malicious: boolean;
  readonly part: Part;
  /** Digests of analysed files; its score is the highest of theirs. */
  readonly files: readonly string[];
  /** Bytes and lines of its longest file: what the length baseline sees. */
  readonly lengths: readonly [bytes: number, longestLine: number, meanLine: number];
  /** YYYYMMDD on which it was seen, of a package as its archive says; 0: not known. */
  readonly date: number;
  readonly group: string;
  /** 1 for a group of near-duplicates together. */
  readonly weight: number;
  /** How many there are of it in the corpus. */
  readonly copies: number;
}

const languageOf = (sample: Collected): Unit['language'] =>
  sample.language === 'python' ? 'python' : 'javascript';

/** Malicious files taken of a cluster. */
const OF_CLUSTER = 4;
/** Files of a benign package: a few of many packages teach more than many of a few. */
const OF_BENIGN: Readonly<Record<Unit['language'], Readonly<Record<Part, number>>>> = {
  javascript: { train: 3, validation: 6, 'held-out': 4 },
  // Debian's packages are few and large.
  python: { train: 12, validation: 25, 'held-out': 25 },
};
/** Files of a malicious package that are looked at: those that install and import run first. */
const OF_MALICIOUS: Readonly<Record<Part, number>> = { train: 8, validation: 25, 'held-out': 25 };

/** Those by which a package is installed and imported, then in order of their digests. */
const urgency = (one: Collected): number =>
  /(^|\/)(setup|__init__|__main__|index|install|preinstall|postinstall)\.\w+$/.test(one.path)
    ? 0
    : 1;
const byUrgency = (a: Collected, b: Collected): number =>
  urgency(a) - urgency(b) || (a.digest < b.digest ? -1 : 1);
const byDigest = (a: Collected, b: Collected): number => (a.digest < b.digest ? -1 : 1);

/** Benign samples that count: at most so many of a package. */
function benignSamples(samples: readonly Collected[]): Collected[] {
  const packages = Map.groupBy(
    samples.filter((one) => !one.malicious && one.part !== undefined && one.offset !== undefined),
    (one) => `${one.source} ${one.package} ${one.part}`,
  );
  return [...packages.values()].flatMap((members) => {
    const first = members[0] as Collected;
    const most = OF_BENIGN[languageOf(first)][first.part as Part];
    return members.toSorted(byDigest).slice(0, most);
  });
}

const lengthsOf = (sample: Collected): Unit['lengths'] => [
  sample.bytes,
  sample.longestLine,
  sample.meanLine,
];

/** Files: benign ones, and malicious ones of sources where a file is the whole sample. */
export function fileUnits(samples: readonly Collected[]): Unit[] {
  const units: Unit[] = [];
  const groups = Map.groupBy(
    [
      ...benignSamples(samples),
      ...samples.filter((one) => one.malicious && one.part !== undefined && !isOfPackage(one)),
    ],
    (one) => `${one.malicious} ${one.source} ${one.part} ${one.cluster}`,
  );
  for (const [group, members] of groups) {
    const kept = members
      .filter((one) => one.offset !== undefined)
      .toSorted((a, b) => a.date - b.date || (a.digest < b.digest ? -1 : 1));
    const taken = (kept[0] as Collected | undefined)?.malicious ? kept.slice(0, OF_CLUSTER) : kept;
    for (const one of taken) {
      units.push({
        source: one.source,
        language: languageOf(one),
        malicious: one.malicious,
        part: one.part as Part,
        files: [one.digest],
        lengths: lengthsOf(one),
        date: one.date,
        group: one.malicious ? group : one.package,
        weight: 1 / taken.length,
        copies: members.length / taken.length,
      });
    }
  }
  return units;
}

/** Malware of npm: measured, never trained on. */
export const MEASURED_ONLY: readonly string[] = [
  'malicious-npm-packages',
  'cemetery',
  'npm-zoo',
  'worm',
];

const isOfPackage = (one: Collected): boolean =>
  one.source === 'pypi_malregistry' || MEASURED_ONLY.includes(one.source);

/**
 * Packages of malware, whole: which of their files does the harm is nobody's knowledge. A package counts in a part
 * where none of its files has a near-duplicate in another; files that stand in benign packages, too, are scored, but
 * place nothing. Packages whose files are of the same clusters count once.
 */
export function maliciousPackages(samples: readonly Collected[]): Unit[] {
  const analysed = new Map<string, string>();
  for (const one of samples) {
    if (one.offset === undefined) continue;
    analysed.set(one.digest, one.digest);
    analysed.set(`${one.cluster} ${one.tokens}`, one.digest);
  }
  const benign = new Set(samples.filter((one) => !one.malicious).map((one) => one.cluster));
  const found: (Unit & { readonly signature: string })[] = [];
  const packages = Map.groupBy(
    samples.filter((one) => one.malicious && isOfPackage(one)),
    (one) => `${one.source} ${one.package}`,
  );
  for (const members of packages.values()) {
    const own = members.filter((one) => !benign.has(one.cluster));
    const parts = new Set(own.map((one) => one.part));
    const [part] = parts;
    if (parts.size !== 1 || part === undefined) continue;
    const files = members
      .toSorted(byUrgency)
      .slice(0, OF_MALICIOUS[part])
      .map((one) => analysed.get(one.digest) ?? analysed.get(`${one.cluster} ${one.tokens}`))
      .filter((digest) => digest !== undefined);
    if (files.length === 0) continue;
    const first = members[0] as Collected;
    const longest = members.reduce((a, b) => (b.bytes > a.bytes ? b : a));
    found.push({
      source: first.source,
      language: languageOf(first),
      malicious: true,
      part,
      files: [...new Set(files)],
      lengths: lengthsOf(longest),
      date: first.date,
      group: '',
      weight: 1,
      copies: 1,
      signature: `${first.source} ${[...new Set(own.map((one) => one.cluster))].sort((a, b) => a - b).join()}`,
    });
  }
  return [...Map.groupBy(found, (one) => `${one.part} ${one.signature}`)].map(
    ([group, [first, ...others]]) => {
      const { signature: _, ...unit } = first as (typeof found)[number];
      return { ...unit, group, copies: others.length + 1 };
    },
  );
}

/** Benign packages, of the files that were taken of them. */
export function benignPackages(samples: readonly Collected[]): Unit[] {
  const packages = Map.groupBy(
    benignSamples(samples),
    (one) => `${one.source} ${one.package} ${one.part}`,
  );
  return [...packages].map(([group, members]) => {
    const first = members[0] as Collected;
    return {
      source: first.source,
      language: languageOf(first),
      malicious: false,
      part: first.part as Part,
      files: members.map((one) => one.digest),
      lengths: lengthsOf(members.reduce((a, b) => (b.bytes > a.bytes ? b : a))),
      date: 0,
      group,
      weight: 1,
      copies: 1,
    };
  });
}
