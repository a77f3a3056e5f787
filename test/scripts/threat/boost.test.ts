import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boost, cutsOf, logistic, marginOf } from '../../../scripts/threat/boost.ts';

function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = sequence(7);
const rows = Array.from({ length: 1200 }, () => [random(), random(), random() < 0.5 ? 0 : 1, 3]);
/** No line parts them: feature 0 counts the other way round where feature 2 is set. */
const labels = rows.map(([a, , flag]) => ((a as number) > 0.4 !== (flag === 1) ? 1 : 0));
const ones = rows.map(() => 1);

function accuracy(score: (row: readonly number[]) => number, of = rows): number {
  return (
    of.filter((row) => score(row) > 0 === ((row[0] as number) > 0.4 !== (row[2] === 1))).length /
    of.length
  );
}

describe('boosted trees', () => {
  test('learn what no line can part', () => {
    const forest = boost(rows, labels, ones, { trees: 60, featureShare: 1 });
    assert.ok(accuracy((row) => marginOf(forest, row)) > 0.99);
    const line = logistic(rows, labels, ones);
    assert.ok(accuracy(line) < 0.8);
  });

  test('hold for rows that were not seen', () => {
    const forest = boost(rows, labels, ones, { trees: 60 });
    const fresh = Array.from({ length: 500 }, () => [
      random(),
      random(),
      random() < 0.5 ? 0 : 1,
      3,
    ]);
    assert.ok(accuracy((row) => marginOf(forest, row), fresh) > 0.97);
  });

  test('are the same from the same rows, and others with another seed', () => {
    const options = { trees: 10, featureShare: 0.5 };
    assert.deepEqual(boost(rows, labels, ones, options), boost(rows, labels, ones, options));
    assert.notDeepEqual(
      boost(rows, labels, ones, options),
      boost(rows, labels, ones, { ...options, seed: 2 }),
    );
  });

  test('only rise along features that may only raise', () => {
    const noisy = labels.map((label) => (random() < 0.2 ? 1 - label : label));
    const free = boost(rows, noisy, ones, { trees: 40, featureShare: 1 });
    const bound = boost(rows, noisy, ones, {
      trees: 40,
      featureShare: 1,
      increasing: new Set([0]),
    });
    const falls = (forest: typeof free): number => {
      let count = 0;
      for (const flag of [0, 1]) {
        for (let b = 0; b < 1; b += 0.1) {
          let last = Number.NEGATIVE_INFINITY;
          for (let a = 0; a <= 1; a += 0.01) {
            const margin = marginOf(forest, [a, b, flag, 3]);
            if (margin < last - 1e-9) count++;
            last = margin;
          }
        }
      }
      return count;
    };
    assert.ok(falls(free) > 0);
    assert.equal(falls(bound), 0);
  });

  test('weigh rows: what weighs nothing teaches nothing', () => {
    const wrong = labels.map((label, at) => (at % 3 === 0 ? 1 - label : label));
    const weights = labels.map((_, at) => (at % 3 === 0 ? 0 : 1));
    const forest = boost(rows, wrong, weights, { trees: 60, featureShare: 1 });
    assert.ok(accuracy((row) => marginOf(forest, row)) > 0.99);
  });

  test('with one label only say that label', () => {
    const forest = boost(
      rows,
      rows.map(() => 0),
      ones,
      { trees: 5 },
    );
    assert.ok(rows.every((row) => marginOf(forest, row) < -5));
  });

  test('keep the log-odds of the share where nothing can be told apart', () => {
    const same = rows.map(() => [1, 1]);
    const forest = boost(same, labels, ones, { trees: 5 });
    const share = labels.filter((label) => label === 1).length / labels.length;
    assert.ok(Math.abs(marginOf(forest, [1, 1]) - Math.log(share / (1 - share))) < 1e-9);
  });
});

test('cuts part every distinct value where there are few', () => {
  assert.deepEqual(cutsOf([3, 1, 1, 2]), [1.5, 2.5]);
  const many = cutsOf([...Array(5000).fill(0), ...Array.from({ length: 300 }, (_, at) => at)]);
  assert.ok(many.length > 20 && many.length <= 255);
  assert.deepEqual(
    many,
    many.toSorted((a, b) => a - b),
  );
});
