/** Threat analysis of JavaScript: time for a source of a size, beside the time that parsers alone take for it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseByAcorn } from 'acorn';
import { parse as parseByMeriyah } from 'meriyah';
import { Analyzer } from '../../src/admission/threat/analyzer.ts';
import { round } from '../report.ts';
import { summarize } from '../statistics.ts';
import type { Bench, Suite, SuiteResult } from '../suite.ts';
import { measureCache } from './threat-cache.ts';

export const threat: Suite = { name: 'threat', run };

const SIZES = [
  { label: '10 KB', bytes: 10_000, limitMs: 1, calls: 300 },
  { label: '100 KB', bytes: 100_000, limitMs: 10, calls: 60 },
] as const;

/** Sources that people wrote, from packages that every checkout has. */
const PACKAGES = ['yaml/dist', 'dns-packet', 'meriyah/dist'];

async function run(bench: Bench): Promise<SuiteResult> {
  const analyzer = await Analyzer.open(['javascript']);
  const share = bench.quick ? 0.2 : 1;
  const rows: string[][] = [];
  const targets: SuiteResult['targets'][number][] = [];
  for (const { label, bytes, limitMs, calls } of SIZES) {
    const source = sourceOf(bytes);
    const contestants = [
      () => void analyzer.analyze(source, { language: 'javascript', profile: 'package' }),
      () => void parseByMeriyah(source, { next: true, webcompat: true, sourceType: 'script' }),
      () => void parseByAcorn(source, { ecmaVersion: 'latest', sourceType: 'script' }),
    ];
    bench.note(`threat: ${label}`);
    for (const work of contestants) for (let i = 0; i < calls; i++) work();
    const samples = contestants.map((): number[] => []);
    for (let i = 0; i < calls * share; i++) {
      for (const [who, work] of contestants.entries()) {
        const started = performance.now();
        work();
        samples[who]?.push(performance.now() - started);
      }
    }
    const [ours, meriyah, acorn] = samples.map((times) => summarize(times));
    if (ours === undefined || meriyah === undefined || acorn === undefined) continue;
    rows.push([
      `${label} (${source.length} characters)`,
      round(ours.median),
      `${round(ours.lowerQuartile)}–${round(ours.upperQuartile)}`,
      round(meriyah.median),
      round(acorn.median),
      round(ours.median / meriyah.median),
      round(ours.median / acorn.median),
    ]);
    targets.push({
      name: `threat analysis of ${label} of JavaScript`,
      measured: ours.median,
      sense: '≤',
      limit: limitMs,
      unit: 'ms',
    });
  }
  targets.push((await measureCache(bench.quick)).target);
  return {
    title: 'Threat analysis',
    method: `Sources of ${PACKAGES.join(', ')}, each in a block, as many as fit; analysed whole (parser, interpreter, rules, measures, model) and parsed alone, in turn in one process that is warm.`,
    table: {
      columns: [
        '',
        'analysis, median ms',
        'middle half',
        'meriyah alone',
        'acorn alone',
        'of meriyah',
        'of acorn',
      ],
      rows,
    },
    targets,
  };
}

/** The same at every run with the same packages: files by name, as long as they fit. */
function sourceOf(bytes: number): string {
  let source = '';
  for (const name of PACKAGES) {
    const root = join(import.meta.dirname, '../../node_modules', name);
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
    for (const file of files) {
      if (!/\.c?js$/.test(file) || /min\./.test(file)) continue;
      const part = `{${readFileSync(join(root, file), 'utf8')}}\n`;
      if (source.length + part.length <= bytes) source += part;
    }
  }
  return source;
}
