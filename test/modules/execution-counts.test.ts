import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketOf, quantileOf } from '../../src/modules/durations.ts';
import {
  ExecutionCounter,
  mergeCounts,
  outcomeWord,
  statisticsOf,
} from '../../src/modules/execution-counts.ts';
import type { ExecutionCounts } from '../../src/store/module-record.ts';

const name = { id: 'a', version: '1.0.0' };

/** A store that is busy as long as it is told to be. */
class Store {
  busy = true;
  written: ExecutionCounts | undefined;
  async counts(): Promise<ExecutionCounts | undefined> {
    return this.written;
  }
  addCounts(counts: readonly { counts: ExecutionCounts }[]): boolean {
    if (this.busy) return false;
    for (const { counts: more } of counts)
      this.written = this.written === undefined ? more : mergeCounts(this.written, more);
    return true;
  }
}

test('quantiles are within a tenth, from microseconds to an hour', () => {
  for (const ms of [0.002, 0.05, 1, 7, 33, 400, 30_000, 3_000_000]) {
    const found = quantileOf({ [bucketOf(ms)]: 1 }, 0.5);
    assert.ok(Math.abs(found - ms) / ms < 0.1, `${ms}: ${found}`);
  }
  const counts: Record<number, number> = {};
  for (let ms = 1; ms <= 1000; ms++) counts[bucketOf(ms)] = (counts[bucketOf(ms)] ?? 0) + 1;
  for (const share of [0.01, 0.5, 0.95]) {
    const found = quantileOf(counts, share);
    assert.ok(Math.abs(found - share * 1000) / (share * 1000) < 0.2, `${share}: ${found}`);
  }
  assert.equal(quantileOf({}, 0.5), 0);
  assert.equal(bucketOf(0), 0);
  assert.equal(bucketOf(1e300), 128);
});

test('how an execution is counted', () => {
  assert.equal(outcomeWord({ kind: 'exited', code: 0 }), 'succeeded');
  assert.equal(outcomeWord({ kind: 'exited', code: 3 }), 'failed');
  assert.equal(outcomeWord({ kind: 'timed-out' }), 'timed-out');
});

test('counts wait while the store is busy, and are not counted twice', async () => {
  const store = new Store();
  const counter = new ExecutionCounter(store);
  counter.note('a@1.0.0', name, 'succeeded', 10);
  counter.note('a@1.0.0', name, 'failed', 30);
  assert.equal(counter.flush(), false);
  assert.equal((await counter.of('a@1.0.0', name))?.executions, 2);
  counter.note('a@1.0.0', name, 'failed', 20);
  store.busy = false;
  assert.equal(counter.flush(), true);
  counter.note('a@1.0.0', name, 'succeeded', 40);
  const statistics = statisticsOf(await counter.of('a@1.0.0', name));
  assert.equal(statistics.executions, 4);
  assert.deepEqual(statistics.outcomes, { succeeded: 2, failed: 2 });
  assert.deepEqual([statistics.durationMs.mean, statistics.durationMs.max], [25, 40]);
  assert.equal(statistics.lastOutcome, 'succeeded');
  await counter.close();
  assert.equal(store.written?.executions, 4);
});

test('nothing was executed yet', () => {
  const { executions, durationMs } = statisticsOf(undefined);
  assert.deepEqual([executions, durationMs.p95], [0, 0]);
});
