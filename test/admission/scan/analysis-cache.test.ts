/** Known analyses: by everything that they depend on, the least lately used forgotten first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnalysisCache, analysisKey } from '../../../src/admission/scan/analysis-cache.ts';
import type { Analysis } from '../../../src/admission/threat/analyzer.ts';

const finding = {} as Analysis['findings'][number];

function analysis(score: number, findings = 1, notes: Analysis['notes'] = []): Analysis {
  const all = Array.from({ length: findings }, () => finding);
  return { language: 'python', score, findings: all, notes, measures: {}, elapsedMs: 1 } as never;
}

test('keys differ in all that an analysis depends on, and in nothing else', () => {
  const base = { language: 'python', path: 'x/a.py' } as const;
  const keys = [
    analysisKey('1', base),
    analysisKey('2', base),
    analysisKey('1', { ...base, language: 'shell' }),
    analysisKey('1', { ...base, profile: 'package' }),
    analysisKey('1', { ...base, declares: ['network'] }),
    analysisKey('1', { ...base, model: false }),
    analysisKey('1', { ...base, path: 'x/setup.py' }),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(
    analysisKey('1', { ...base, path: 'y/z/a.py', profile: 'effect', model: true }),
    keys[0],
  );
  const [a, b] = [['network', 'process'] as const, ['process', 'network'] as const];
  assert.equal(
    analysisKey('1', { ...base, declares: a }),
    analysisKey('1', { ...base, declares: b }),
  );
});

test('memory holds so many analyses, and so many findings', () => {
  const cache = new AnalysisCache({ entries: 3, findings: 10 });
  for (const key of ['a', 'b', 'c']) cache.put(key, analysis(1));
  cache.get('a');
  cache.put('d', analysis(1));
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => cache.get(key) !== undefined),
    [true, false, true, true],
  );
  cache.put('big', analysis(1, 9));
  assert.equal(cache.get('big')?.findings.length, 9);
  assert.equal(['a', 'c', 'd'].filter((key) => cache.get(key) !== undefined).length, 1);
});

test('what ran out of time is analysed again', () => {
  const cache = new AnalysisCache();
  cache.put('a', analysis(60, 1, ['time-limit']));
  assert.equal(cache.get('a'), undefined);
});

test('a shelf keeps them for the next process; what is damaged there is analysed again', () => {
  const kept = new Map<string, string>();
  const shelf = {
    analysis: (key: string) => kept.get(key),
    keepAnalyses: (all: Iterable<readonly [string, string]>) => {
      for (const [key, text] of all) kept.set(key, text);
    },
  };
  const first = new AnalysisCache({ shelf });
  first.put('a', analysis(7));
  assert.equal(kept.size, 0);
  first.flush();
  assert.equal(new AnalysisCache({ shelf }).get('a')?.score, 7);
  for (const text of ['', 'null', '[]', '{"score": "high"}', '{"score": 1}']) {
    kept.set('a', text);
    assert.equal(new AnalysisCache({ shelf }).get('a'), undefined, text);
  }
});
