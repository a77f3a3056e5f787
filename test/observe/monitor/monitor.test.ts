/** Rates, thresholds and iteration over counters that the test makes up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservedEvent } from '../../../src/core/ports.ts';
import { Monitor } from '../../../src/observe/monitor/monitor.ts';
import { Sampler } from '../../../src/observe/monitor/sample.ts';
import { type Threshold, ThresholdWatch } from '../../../src/observe/monitor/threshold.ts';
import type { UsageReading, UsageReadings } from '../../../src/observe/monitor/usage-source.ts';
import { until } from '../../until.ts';

const reading = (id: string, more: Partial<UsageReading> = {}): UsageReading => ({
  id,
  source: 'cgroup',
  cpuMs: 0,
  ...more,
});
const readings = (atMs: number, ...sandboxes: UsageReading[]): UsageReadings => ({
  atMs,
  sandboxes,
  waiting: 2,
});

describe('rates', () => {
  test('are differences over the time between two readings, for each and in total', () => {
    const sampler = new Sampler();
    const network = { sentBytes: 100, receivedBytes: 0, refusedPackets: 0, connections: 1 };
    const first = sampler.next(
      readings(1000, reading('a', { cpuMs: 500, readBytes: 10, memoryBytes: 7, network })),
      5,
    );
    assert.equal(first.sandboxes[0]?.rates, undefined);
    assert.equal(first.total.rates, undefined);
    assert.deepEqual([first.timeMs, first.total.waiting, first.total.memoryBytes], [5, 2, 7]);
    const { sandboxes, total } = sampler.next(
      readings(
        3000,
        reading('a', {
          cpuMs: 1500,
          readBytes: 4010,
          network: { ...network, sentBytes: 700, receivedBytes: 50, connections: 5 },
        }),
        // It was made meanwhile: everything it used is of this time.
        reading('b', { cpuMs: 3000, writtenBytes: 8 }),
      ),
      6,
    );
    assert.deepEqual(sandboxes[0]?.rates, {
      cpuCores: 0.5,
      readBytesPerSecond: 2000,
      writtenBytesPerSecond: 0,
      sentBytesPerSecond: 300,
      receivedBytesPerSecond: 25,
      connectionsPerSecond: 2,
    });
    assert.equal(sandboxes[1]?.rates?.cpuCores, 1.5);
    assert.equal(total.rates?.cpuCores, 2);
    assert.equal(total.rates?.writtenBytesPerSecond, 4);
    assert.equal(total.sandboxes, 2);
  });

  test('never fall below nothing; what is gone counts no more', () => {
    const sampler = new Sampler();
    sampler.next(readings(0, reading('a', { cpuMs: 900 }), reading('b', { cpuMs: 900 })), 0);
    const { sandboxes, total } = sampler.next(readings(1000, reading('a', { cpuMs: 100 })), 0);
    assert.equal(sandboxes.length, 1);
    assert.equal(total.rates?.cpuCores, 0);
    // The same instant twice has no rate, rather than an infinite one.
    assert.equal(sampler.next(readings(1000, reading('a')), 0).total.rates, undefined);
    assert.equal(sampler.next(readings(2000), 0).total.rates?.cpuCores, 0);
  });
});

describe('thresholds', () => {
  const follow = (threshold: Threshold, memory: readonly (number | undefined)[]): number[] => {
    const watch = new ThresholdWatch([threshold]);
    const sampler = new Sampler();
    return memory.flatMap((bytes, second) => {
      const now = bytes === undefined ? [] : [reading('a', { memoryBytes: bytes })];
      const sample = sampler.next(readings(second * 1000, ...now), 0);
      return watch.check(sample, second * 1000).map(() => second);
    });
  };

  test('one crossing is one alert, until the value has fallen to where it is over', () => {
    const above100: Threshold = { metric: 'memoryBytes', above: 100 };
    assert.deepEqual(follow(above100, [50, 100, 101, 500, 101]), [2]);
    // It trembles around the line: still the same crossing; at nine tenths it is over.
    assert.deepEqual(follow(above100, [101, 99, 101, 91, 101, 90, 101]), [0, 6]);
    assert.deepEqual(follow({ ...above100, clearAt: 20 }, [101, 21, 101, 20, 101]), [0, 4]);
    // Another sandbox of the same name is another one.
    assert.deepEqual(follow(above100, [101, undefined, 101]), [0, 2]);
  });

  test('for so long without a break', () => {
    const lasting: Threshold = { metric: 'memoryBytes', above: 100, forMs: 2000 };
    assert.deepEqual(follow(lasting, [200, 200, 200, 200]), [2]);
    assert.deepEqual(follow(lasting, [200, 200, 99, 200, 200, 200]), [5]);
  });

  test('of each, of one, of the total; a rate that is not known is not compared', () => {
    const watch = new ThresholdWatch([
      { metric: 'cpuCores', above: 0.5 },
      { metric: 'cpuCores', above: 0.5, of: 'b', name: 'b is busy' },
      { metric: 'cpuCores', above: 1.5, of: 'total' },
      { metric: 'sandboxes', above: 1, of: 'total' },
      { metric: 'openConnections', above: 3 },
    ]);
    const sampler = new Sampler();
    const network = { sentBytes: 0, receivedBytes: 0, refusedPackets: 0, openConnections: 4 };
    const first = sampler.next(readings(0, reading('a', { network }), reading('b')), 0);
    assert.deepEqual(
      watch.check(first, 0).map(({ id, metric, value }) => [id, metric, value]),
      [
        ['total', 'sandboxes', 2],
        ['a', 'openConnections', 4],
      ],
    );
    const busy = { cpuMs: 1000 };
    const second = sampler.next(readings(1000, reading('a', busy), reading('b', busy)), 9);
    assert.deepEqual(
      watch
        .check(second, 1000)
        .map(({ id, threshold, value, timeMs }) => [id, threshold, value, timeMs]),
      [
        ['a', 'cpuCores > 0.5', 1, 9],
        ['b', 'cpuCores > 0.5', 1, 9],
        ['b', 'b is busy', 1, 9],
        ['total', 'cpuCores > 1.5', 2, 9],
      ],
    );
  });

  test('what makes no sense is refused', () => {
    const bad = [
      { metric: 'memory', above: 1 },
      { metric: 'memoryBytes', above: -1 },
      { metric: 'memoryBytes', above: 1, clearAt: 2 },
      { metric: 'memoryBytes', above: 1, over: 2 },
      { metric: 'sandboxes', above: 1 },
    ] as unknown as Threshold[];
    for (const threshold of bad) {
      assert.throws(() => new ThresholdWatch([threshold]), { code: 'REQUEST_INVALID' });
    }
  });
});

describe('monitor', () => {
  const made = (): { monitor: Monitor; asked: () => number; events: ObservedEvent[] } => {
    let asked = 0;
    const events: ObservedEvent[] = [];
    const monitor = new Monitor({
      source: async () => readings(++asked * 1000, reading('a', { cpuMs: asked * 2000 })),
      observer: (event) => events.push(event),
    });
    return { monitor, asked: () => asked, events };
  };

  test('reads while somebody listens, and not otherwise', async () => {
    const { monitor, asked } = made();
    await sleep(30);
    assert.equal(asked(), 0);
    const cores: (number | undefined)[] = [];
    for await (const { total } of monitor.samples({ everyMs: 10 })) {
      cores.push(total.rates?.cpuCores);
      if (cores.length === 3) break;
    }
    assert.deepEqual(cores, [undefined, 2, 2]);
    await sleep(40);
    assert.equal(asked(), 3);
    await monitor.snapshot();
    assert.equal((await monitor.snapshot()).total.rates?.cpuCores, 2);
  });

  test('an alert goes to the callback and to the observer, once; closing ends everything', async () => {
    const { monitor, asked, events } = made();
    const alerts: string[] = [];
    const watch = monitor.watch({
      thresholds: [{ metric: 'cpuCores', above: 1, name: 'busy' }],
      everyMs: 10,
      onAlert: ({ threshold, id, value }) => alerts.push(`${threshold} ${id} ${value}`),
    });
    await until('five looks', () => asked() >= 5);
    assert.deepEqual(alerts, ['busy a 2']);
    assert.deepEqual(events, [{ kind: 'alert', id: 'a', threshold: 'busy', value: 2 }]);
    watch[Symbol.dispose]();
    await sleep(20);
    const before = asked();
    await sleep(40);
    assert.equal(asked(), before);

    const ended = (async () => {
      for await (const _ of monitor.samples({ everyMs: 60_000 }));
    })();
    await sleep(20);
    monitor.close();
    await ended;
    await assert.rejects(monitor.snapshot(), { code: 'SANDBOX_CLOSED' });
    assert.throws(() => monitor.watch({ thresholds: [] }), { code: 'SANDBOX_CLOSED' });
  });

  test('a signal ends an iteration; a source that fails ends it with its error; a bad period is refused', async () => {
    const { monitor } = made();
    const taken: number[] = [];
    for await (const { timeMs } of monitor.samples({
      everyMs: 10,
      signal: AbortSignal.timeout(50),
    })) {
      taken.push(timeMs);
    }
    assert.ok(taken.length >= 1);
    for (const everyMs of [0, Number.NaN, -5, Number.POSITIVE_INFINITY]) {
      await assert.rejects(monitor.samples({ everyMs }).next(), { code: 'REQUEST_INVALID' });
    }
    const broken = new Monitor({ source: () => Promise.reject(new Error('no source')) });
    await assert.rejects(broken.samples().next(), /no source/);
  });
});
