/** Stands for the analyzer: what it answers, or does instead, stands in the source. */
import { parentPort } from 'node:worker_threads';
import type { AnalysisTask } from '../../../src/admission/scan/analysis-worker.ts';

parentPort?.on('message', ({ source, options }: AnalysisTask) => {
  const text = Buffer.from(source).toString('utf8');
  if (text.includes('LOOP')) for (;;);
  if (text.includes('THROW')) throw new Error('a fault');
  if (text.includes('EXIT')) process.exit(0);
  if (text.includes('MEMORY')) {
    const all: number[][] = [];
    for (;;) all.push(new Array(100_000).fill(all.length));
  }
  const at = text.indexOf('EVIL');
  const isFree = options.declares?.includes('child-process') === true;
  const score = isFree ? 0 : options.profile === 'package' ? 50 : 95;
  const line = text.slice(0, at).split('\n').length;
  const finding = {
    family: 'child-process',
    rule: 'fake/child-process/evil',
    score,
    path: options.path,
    range: { start: at, end: at + 4, line, column: 1, endLine: line, endColumn: 5 },
    excerpt: 'EVIL',
    explanation: 'It is evil.',
    remedy: 'Be good.',
    capability: 'child-process',
  };
  parentPort?.postMessage({
    analysis: {
      language: options.language,
      score: at < 0 ? 0 : score,
      findings: at < 0 ? [] : [finding],
      measures: {},
      notes: [],
      elapsedMs: 1,
    },
  });
});
parentPort?.postMessage({ ready: true });
