/**
 * Feature rows of samples, kept in a file of the cache by digest and version of the rules: analysing all takes minutes,
 * training seconds.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Analyzer } from '../../src/admission/threat/analyzer.ts';
import { featuresOf } from '../../src/admission/threat/features.ts';
import { scoreOfStrongest, strongestOf } from '../../src/admission/threat/score.ts';
import type { Collected } from './collect.ts';

export interface Row {
  readonly digest: string;
  readonly features: readonly number[];
  /** Of each family the highest score of its findings under the profile `package`, in falling order. */
  readonly strongest: readonly number[];
  /** Of rules alone: what score.ts makes of them. */
  readonly score: number;
  /** Families of findings that score 40 or more. */
  readonly families: readonly string[];
  /** The rule that counts most, where one does. */
  readonly rule?: string;
  readonly notes: readonly string[];
  readonly milliseconds: number;
}

const THREAT = join(import.meta.dirname, '../../src/admission/threat');

/** Of all that an analysis is made by, model and score aside: rows of other sources are other rows. */
function sourcesDigest(): string {
  const hash = createHash('sha256');
  const files = readdirSync(THREAT, { recursive: true, encoding: 'utf8' });
  for (const file of files
    .filter((name) => name.endsWith('.ts') && !/model|score/.test(name))
    .sort()) {
    hash.update(file).update(readFileSync(join(THREAT, file)));
  }
  return hash.digest('hex').slice(0, 12);
}

export async function inspectAll(
  samples: readonly Collected[],
  contents: (sample: Collected) => Buffer,
  cache: string,
  {
    tell,
    stale,
    shard,
  }: { readonly tell: (text: string) => void; readonly stale: boolean; readonly shard?: string },
): Promise<Map<string, Row>> {
  const version = sourcesDigest();
  const latest = readdirSync(cache)
    .filter((name) => name.startsWith('rows-'))
    .toSorted((a, b) => statSync(join(cache, b)).mtimeMs - statSync(join(cache, a)).mtimeMs)[0];
  const path = join(cache, stale && latest !== undefined ? latest : `rows-${version}.jsonl`);
  const rows = new Map<string, Row>();
  if (existsSync(path)) {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (line === '') continue;
      const row: Omit<Row, 'score'> = JSON.parse(line);
      rows.set(row.digest, { ...row, score: scoreOfStrongest(row.strongest) });
    }
  }
  const [number = 0, of = 1] = shard?.split('/').map(Number) ?? [];
  const left = samples.filter(
    (sample) =>
      sample.offset !== undefined &&
      !rows.has(sample.digest) &&
      Number.parseInt(sample.digest.slice(0, 6), 16) % of === number,
  );
  tell(`analysing ${left.length} samples (${rows.size} are known), rules of ${path}`);
  const analyzer = await Analyzer.open();
  let pending = '';
  for (const [done, sample] of left.entries()) {
    if (rows.has(sample.digest)) continue;
    const begun = performance.now();
    const { facts, measures, findings, notes } = analyzer.inspect(contents(sample), {
      language: sample.language,
      profile: 'package',
      path: sample.path.slice(sample.path.lastIndexOf('/') + 1),
    });
    const strongest = findings.reduce<(typeof findings)[number] | undefined>(
      (best, one) => (one.score > (best?.score ?? 0) ? one : best),
      undefined,
    );
    const row: Omit<Row, 'score'> = {
      digest: sample.digest,
      features: [...featuresOf({ facts, measures, findings, language: sample.language })].map(
        (value) => Math.round(value * 1e4) / 1e4,
      ),
      strongest: strongestOf(findings),
      families: [...new Set(findings.filter((one) => one.score >= 40).map((one) => one.family))],
      ...(strongest !== undefined && { rule: strongest.rule }),
      notes,
      milliseconds: Math.round((performance.now() - begun) * 100) / 100,
    };
    rows.set(sample.digest, { ...row, score: scoreOfStrongest(row.strongest) });
    pending += `${JSON.stringify(row)}\n`;
    if (pending.length > 1 << 20) {
      appendFileSync(path, pending);
      pending = '';
    }
    if (done % 1000 === 999) tell(`${done + 1} of ${left.length} analysed`);
  }
  appendFileSync(path, pending);
  return rows;
}
