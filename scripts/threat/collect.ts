/**
 * Everything that later steps need of the corpora, in two files of a cache outside of the repository: `samples.jsonl`
 * (what each sample is, its cluster and its part) and `contents.bin` (contents of those that may be looked at).
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { cluster, minHash } from './cluster.ts';
import { samples } from './sources.ts';
import { type Part, split } from './split.ts';
import { tokensOf } from './tokens.ts';

export interface Collected {
  readonly digest: string;
  readonly source: string;
  readonly language: 'javascript' | 'typescript' | 'python';
  readonly malicious: boolean;
  readonly package: string;
  readonly path: string;
  readonly date: number;
  readonly heldOutOnly?: boolean;
  readonly seenByAuthors?: boolean;
  /** Of abstract tokens. */
  readonly tokens: number;
  readonly bytes: number;
  /** What the length baseline sees. */
  readonly longestLine: number;
  readonly meanLine: number;
  /** Where its content stands in `contents.bin`; absent: a copy of one that does. */
  readonly offset?: number;
  readonly cluster: number;
  readonly part?: Part;
}

/** Shorter ones (re-exports, empty setup files) say nothing either way, and are not counted. */
export const FEWEST_TOKENS = 12;
/** Members kept of those whose abstract tokens are the same. */
const KEPT_ALIKE = 4;

export async function collect(
  corpora: string,
  cache: string,
  tell: (text: string) => void,
): Promise<Collected[]> {
  const index = join(cache, 'samples.jsonl');
  if (existsSync(index)) {
    return withParts(
      readFileSync(index, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      cache,
    );
  }
  const contents = openSync(join(cache, 'contents.bin'), 'w');
  const found: (Omit<Collected, 'cluster' | 'part'> & { readonly kind: number })[] = [];
  const kinds = new Map<string, number>();
  const kept = new Map<string, number>();
  const signatures: Uint32Array[] = [];
  let offset = 0;
  let seen = 0;
  let copies = 0;
  const digests = new Map<string, number>();
  for await (const sample of samples(corpora, tell)) {
    if (++seen % 5000 === 0) tell(`${seen} files, ${signatures.length} distinct token runs`);
    const { bytes, ...rest } = sample;
    const digest = createHash('sha256').update(bytes).digest('hex');
    const identity = `${sample.malicious}${digest}`;
    const times = digests.get(identity) ?? 0;
    digests.set(identity, times + 1);
    // A file that is the same in many packages is one file; packages of malware need theirs, to be seen whole.
    if (times > 0 && !(sample.malicious && sample.source !== 'javascript-malware-collection')) {
      copies++;
      continue;
    }
    const text = bytes.toString('utf8');
    const tokens = tokensOf(text, sample.language === 'python' ? 'python' : 'javascript');
    if (tokens.length < FEWEST_TOKENS) continue;
    const run = createHash('sha256').update(Int32Array.from(tokens)).digest('base64');
    let kind = kinds.get(run);
    if (kind === undefined) {
      kind = signatures.length;
      kinds.set(run, kind);
      signatures.push(minHash(tokens));
    }
    let longestLine = 0;
    let lines = 0;
    for (let start = 0; start <= text.length; lines++) {
      const end = text.indexOf('\n', start);
      const stop = end < 0 ? text.length : end;
      longestLine = Math.max(longestLine, stop - start);
      start = stop + 1;
    }
    const label = `${sample.malicious}${kind}${sample.source}`;
    const keep = times === 0 && (kept.get(label) ?? 0) < KEPT_ALIKE;
    if (keep) {
      kept.set(label, (kept.get(label) ?? 0) + 1);
      writeSync(contents, bytes);
    }
    found.push({
      digest,
      ...rest,
      tokens: tokens.length,
      bytes: bytes.length,
      longestLine,
      meanLine: Math.round(text.length / lines),
      ...(keep && { offset }),
      kind,
    });
    if (keep) offset += bytes.length;
  }
  closeSync(contents);
  tell(`${seen} files, ${copies} copies of others left out, ${found.length} kept`);
  tell(`clustering ${signatures.length} distinct token runs`);
  const clusters = cluster(signatures);
  const placed = found.map(({ kind, ...sample }) => ({
    ...sample,
    cluster: clusters[kind] as number,
  }));
  writeFileSync(index, `${placed.map((sample) => JSON.stringify(sample)).join('\n')}\n`);
  writeFileSync(join(cache, 'seen.json'), JSON.stringify({ seen, copies }));
  return withParts(placed, cache);
}

function withParts(placed: readonly Omit<Collected, 'part'>[], cache: string): Collected[] {
  const { parts, boundaries, mixed } = split(placed);
  writeFileSync(
    join(cache, 'split.json'),
    JSON.stringify(
      { ...JSON.parse(readFileSync(join(cache, 'seen.json'), 'utf8')), mixed, boundaries },
      undefined,
      1,
    ),
  );
  return placed.map((sample, at): Collected => {
    const part = parts[at];
    return part === undefined ? sample : { ...sample, part };
  });
}

/** Reads contents of samples that have an offset. */
export function openContents(cache: string): (sample: Collected) => Buffer {
  const file = openSync(join(cache, 'contents.bin'), 'r');
  return (sample) => {
    const bytes = Buffer.alloc(sample.bytes);
    readSync(file, bytes, 0, sample.bytes, sample.offset as number);
    return bytes;
  };
}
