import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FEATURES } from '../../../src/admission/threat/features.ts';
import model from '../../../src/admission/threat/model.json' with { type: 'json' };
import { threatModel } from '../../../src/admission/threat/model.ts';
import { ThreatModel } from '../../../src/admission/threat/threat-model.ts';
import { isCaissonError } from '../../../src/core/error.ts';

type Data = typeof model;
type Tree = Data['forests'][number]['trees'][number];

const stump: Tree = {
  feature: [0, -1, -1],
  threshold: [1.5, 0, 0],
  left: [1, 0, 0],
  right: [2, 0, 0],
  value: [0, -2, 3],
};
const small = (tree: unknown = stump, rest: object = {}): unknown => ({
  format: 1,
  version: '2026-01-02.0123456789ab',
  features: [...FEATURES],
  forests: [
    { languages: ['python'], base: 0.5, trees: [tree, tree], calibration: { slope: 2, offset: 1 } },
  ],
  ...rest,
});

const row = (first: number): Float64Array => {
  const values = new Float64Array(FEATURES.length);
  values[0] = first;
  return values;
};

describe('the evaluation of a model', () => {
  const loaded = new ThreatModel(small());

  test('sums its trees and calibrates', () => {
    const sigmoid = (margin: number): number => 1 / (1 + Math.exp(-margin));
    assert.equal(loaded.predict(row(1.5), 'python'), sigmoid(2 * (0.5 - 4) + 1));
    assert.equal(loaded.predict(row(1.6), 'python'), sigmoid(2 * (0.5 + 6) + 1));
  });

  test('names what speaks against a file', () => {
    assert.deepEqual(loaded.reasons(row(2), 'python'), [FEATURES[0]]);
    assert.deepEqual(loaded.reasons(row(1), 'python'), []);
    assert.deepEqual(loaded.reasons(row(2), 'shell'), []);
  });

  test('says nothing of languages that it was not trained for', () => {
    assert.equal(loaded.predict(row(0), 'shell'), undefined);
  });
});

describe('a model file is refused', () => {
  const cases: Readonly<Record<string, unknown>> = {
    'that is none': { hello: 1 },
    'of another format': small(stump, { format: 2 }),
    'with unknown keys': small(stump, { extra: 1 }),
    'of other features': small(stump, { features: FEATURES.toReversed() }),
    'of fewer features': small(stump, { features: FEATURES.slice(1) }),
    'without trees': small(stump, {
      forests: [
        { languages: ['python'], base: 0, trees: [], calibration: { slope: 1, offset: 0 } },
      ],
    }),
    'whose nodes lead back, so that it never ends': small({ ...stump, left: [0, 0, 0] }),
    'whose nodes lead out': small({ ...stump, right: [3, 0, 0] }),
    'whose lists differ in length': small({ ...stump, value: [0, 1] }),
    'that asks for a feature that is not there': small({
      ...stump,
      feature: [FEATURES.length, -1, -1],
    }),
    'with numbers that are none': small({ ...stump, threshold: [Number.NaN, 0, 0] }),
  };
  for (const [name, data] of Object.entries(cases)) {
    test(name, () => {
      assert.throws(
        () => new ThreatModel(data),
        (error) =>
          isCaissonError(error) && error.code === 'INTERNAL' && error.layer === 'admission',
      );
    });
  }
});

describe('the model that is shipped', () => {
  test('is of this version’s features, small, and knows JavaScript, TypeScript and Python', () => {
    const shipped = threatModel();
    assert.ok(JSON.stringify(model).length <= 200 * 1024);
    for (const language of ['javascript', 'typescript', 'python']) {
      const probability = shipped.predict(row(0), language) as number;
      assert.ok(probability >= 0 && probability < 0.5, `${language}: nothing is harmless`);
    }
    assert.equal(shipped.predict(row(0), 'shell'), undefined);
  });

  test('never thinks less of a file for a danger more', () => {
    const shipped = threatModel();
    const position = (name: string): number => FEATURES.indexOf(name);
    for (const language of ['javascript', 'python']) {
      for (const name of ['danger:exfiltration', 'effects:child-process', 'texts:dropbox']) {
        const values = new Float64Array(FEATURES.length);
        let last = shipped.predict(values, language) as number;
        for (let value = 1; value <= 100; value += 3) {
          values[position(name)] = value;
          const probability = shipped.predict(values, language) as number;
          assert.ok(probability >= last - 1e-12, `${name} = ${value}`);
          last = probability;
        }
      }
    }
  });
});
