import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  areaUnderCurve,
  type Scored,
  shareAbove,
  thresholdAt,
  wilson,
} from '../../../scripts/threat/metrics.ts';

const scored = (score: number, malicious: boolean, group = `${score}`, weight = 1): Scored => ({
  score,
  malicious,
  group,
  weight,
});

describe('figures', () => {
  test('Wilson intervals are those of the literature', () => {
    const { value, low, high } = wilson(9, 10);
    assert.equal(value, 0.9);
    assert.ok(Math.abs(low - 0.5958) < 1e-3 && Math.abs(high - 0.9821) < 1e-3);
    assert.ok(wilson(0, 20).low < 1e-9 && Math.abs(wilson(0, 20).high - 0.1611) < 1e-3);
  });

  test('a threshold lets through no more than its rate, ties included', () => {
    const benign = Array.from({ length: 100 }, (_, at) => scored(at, false));
    assert.ok(thresholdAt(benign, 0.01) <= 99 && thresholdAt(benign, 0.01) > 98);
    const tied = [...benign.slice(0, 95), ...Array.from({ length: 5 }, () => scored(99, false))];
    assert.ok(thresholdAt(tied, 0.01) > 99);
    assert.ok(tied.filter((one) => one.score >= thresholdAt(tied, 0.05)).length === 5);
  });

  test('the area is 1 where all are apart, one half where none is', () => {
    assert.equal(areaUnderCurve([scored(1, false), scored(2, true)]), 1);
    assert.equal(areaUnderCurve([scored(1, false), scored(1, true)]), 0.5);
    assert.equal(areaUnderCurve([scored(2, false), scored(1, true)]), 0);
  });

  test('the bootstrap draws groups: many copies of one are one', () => {
    const copies = Array.from({ length: 200 }, (_, at) =>
      scored(at < 100 ? 90 : 10, true, at < 100 ? 'a' : 'b'),
    );
    const apart = copies.map((one, at) => ({ ...one, group: String(at) }));
    const wide = shareAbove(copies, 80);
    const narrow = shareAbove(apart, 80);
    assert.equal(wide.value, 0.5);
    assert.ok(wide.high - wide.low > 0.9);
    assert.ok(narrow.high - narrow.low < 0.2);
  });

  test('weights count', () => {
    assert.equal(shareAbove([scored(90, true, 'a', 3), scored(10, true, 'b', 1)], 80).value, 0.75);
  });
});
