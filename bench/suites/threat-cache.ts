/** Rows of suite `threat`: an analysis that is known, beyond the digest that it is found by. */
import { createHash } from 'node:crypto';
import { AnalysisCache, analysisKey } from '../../src/admission/scan/analysis-cache.ts';
import { type AnalysisOptions, Analyzer } from '../../src/admission/threat/analyzer.ts';
import { summarize } from '../statistics.ts';
import type { Target } from '../suite.ts';

const KNOWN = 10_000;
const TOGETHER = 100;
const LIMIT_US = 20;

export interface CacheFigures {
  /** What was measured, and its median and middle half in µs. */
  readonly rows: readonly (readonly [
    label: string,
    medianUs: number,
    lowerUs: number,
    upperUs: number,
  ])[];
  readonly target: Target;
}

export async function measureCache(quick: boolean): Promise<CacheFigures> {
  const options: AnalysisOptions = { language: 'javascript', path: 'src/a.js', profile: 'package' };
  const analyzer = await Analyzer.open(['javascript']);
  const source = Buffer.from(
    'export const f = (x) => require("node:fs").readFileSync(x);\n'.repeat(170),
  );
  const analysis = analyzer.analyze(source, options);
  const digests = Array.from({ length: KNOWN }, (_, i) => digestOf(Buffer.from(String(i))));
  const cache = new AnalysisCache({ entries: KNOWN, findings: Number.MAX_SAFE_INTEGER });
  for (const digest of digests) cache.put(analysisKey(digest, options), analysis);
  const rounds = quick ? 200 : 2000;
  const hits = samples(rounds, (i) => {
    const digest = digests[(i * 7919) % KNOWN] as string;
    if (cache.get(analysisKey(digest, options)) === undefined) throw new Error('it is not known');
  });
  const hashes = samples(rounds, () => digestOf(source));
  const hit = summarize(hits);
  return {
    rows: [
      ['known analysis, beyond hashing', hit.median, hit.lowerQuartile, hit.upperQuartile],
      [`SHA-256 of ${source.length} bytes`, ...threeOf(summarize(hashes))],
    ],
    target: {
      name: 'known analysis, beyond hashing',
      measured: hit.median,
      sense: '≤',
      limit: LIMIT_US,
      unit: 'µs',
    },
  };
}

/** Microseconds each, so many at a time that the clock can tell. */
function samples(rounds: number, act: (index: number) => unknown): number[] {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = performance.now();
    for (let i = 0; i < TOGETHER; i++) act(round * TOGETHER + i);
    taken.push(((performance.now() - before) / TOGETHER) * 1000);
  }
  return taken;
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function threeOf(of: ReturnType<typeof summarize>): [number, number, number] {
  return [of.median, of.lowerQuartile, of.upperQuartile];
}
