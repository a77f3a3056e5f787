/** Analyses on other threads: whatever a source does to one, there is an answer, and the next one is analysed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnalysisThreads } from '../../../src/admission/scan/analysis-threads.ts';

const worker = new URL('./fake-worker.ts', import.meta.url);
const javascript = { language: 'javascript' } as const;

test('answers in any order, more than there are threads', async () => {
  await using threads = new AnalysisThreads({ worker, threads: 2 });
  const sources = Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 'EVIL' : 'good'));
  const answers = await Promise.all(
    sources.map((text) => threads.analyze(Buffer.from(text), javascript)),
  );
  assert.deepEqual(
    answers.map(({ score }) => score),
    sources.map((text) => (text === 'EVIL' ? 95 : 0)),
  );
});

for (const [text, why] of [
  ['LOOP', 'time-limit'],
  ['THROW', 'crashed'],
  ['EXIT', 'crashed'],
  ['MEMORY', 'out-of-memory'],
] as const) {
  test(`a source that makes the analysis ${why} (${text}) is suspicious, and the others are analysed`, async () => {
    const timeLimitMs = text === 'LOOP' ? 300 : 60_000;
    await using threads = new AnalysisThreads({ worker, threads: 1, timeLimitMs, memoryMb: 64 });
    const [bad, good] = await Promise.all(
      [text, 'EVIL'].map((each) => threads.analyze(Buffer.from(each), javascript)),
    );
    assert.equal(bad?.unanalysed, why);
    assert.equal(bad?.score, 60);
    assert.equal(bad?.findings[0]?.rule, `analysis/${why}`);
    assert.equal(good?.score, 95);
  });
}

test('a thread that cannot be started is an error, not a good score', async () => {
  const missing = new URL('./no-such-worker.ts', import.meta.url);
  await using threads = new AnalysisThreads({ worker: missing, threads: 1 });
  const analyses = ['a', 'b'].map((text) => threads.analyze(Buffer.from(text), javascript));
  for (const each of await Promise.allSettled(analyses)) {
    assert.equal(each.status, 'rejected');
    assert.equal(each.reason.code, 'INTERNAL');
  }
});

test('closed: what is under way and what comes later is rejected', async () => {
  const threads = new AnalysisThreads({ worker, threads: 1 });
  const under = threads.analyze(Buffer.from('LOOP'), javascript);
  const outcome = assert.rejects(under, { code: 'INTERNAL' });
  await threads.close();
  await outcome;
  await assert.rejects(threads.analyze(Buffer.from('x'), javascript), { code: 'INTERNAL' });
  await threads.close();
});
