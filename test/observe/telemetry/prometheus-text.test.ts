/** Text that Prometheus reads, of names and values from anybody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { PullReader } from '../../../src/observe/telemetry/pull-reader.ts';

test('names, units, labels and values', async () => {
  const reader = new PullReader();
  const meter = new MeterProvider({ readers: [reader] }).getMeter('test');
  meter.createCounter('a.count.of-things', { unit: '{thing}' }).add(3, { 'x.y': 'a"b\\c\nd' });
  meter
    .createGauge('9lives', { unit: 'By', description: 'one\ntwo\\' })
    .record(Number.POSITIVE_INFINITY);
  meter.createUpDownCounter('up.down', { unit: '1' }).add(-2);
  meter
    .createHistogram('h', { unit: 's', advice: { explicitBucketBoundaries: [1, 2] } })
    .record(1.5);
  meter.createCounter('never.used');
  meter.createCounter('same', {}).add(1, { 'a.b': '1', a_b: '2' });
  const text = await reader.render();
  const lines = text.split('\n').filter((line) => !line.startsWith('target_info'));
  assert.deepEqual(lines, [
    '# HELP a_count_of_things_total ',
    '# TYPE a_count_of_things_total counter',
    'a_count_of_things_total{x_y="a\\"b\\\\c\\nd"} 3',
    '# HELP _9lives_bytes one\\ntwo\\\\',
    '# TYPE _9lives_bytes gauge',
    '_9lives_bytes +Inf',
    '# HELP up_down_ratio ',
    '# TYPE up_down_ratio gauge',
    'up_down_ratio -2',
    '# HELP h_seconds ',
    '# TYPE h_seconds histogram',
    'h_seconds_bucket{le="1"} 0',
    'h_seconds_bucket{le="2"} 1',
    'h_seconds_bucket{le="+Inf"} 1',
    'h_seconds_sum 1.5',
    'h_seconds_count 1',
    '# HELP same_total ',
    '# TYPE same_total counter',
    'same_total{a_b="1;2"} 1',
    '# HELP target_info What is measured',
    '# TYPE target_info gauge',
    '',
  ]);
});
