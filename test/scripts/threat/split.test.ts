import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isTrainName, type Placed, split } from '../../../scripts/threat/split.ts';

const malicious = (cluster: number, date: number, name = `m${cluster}-${date}`): Placed => ({
  source: 'old',
  malicious: true,
  package: name,
  date,
  cluster,
});
const benign = (cluster: number, name: string): Placed => ({
  source: 'npm',
  malicious: false,
  package: name,
  date: 0,
  cluster,
});

const packageIn = (part: 'train' | 'validation'): string => {
  for (let number = 0; ; number++) {
    if (isTrainName(`p${number}`) === (part === 'train')) return `p${number}`;
  }
};

describe('the split', () => {
  const samples = Array.from({ length: 100 }, (_, at) => malicious(at, 20160101 + at));

  test('is by day: what comes after the first 66 % is held out', () => {
    const { parts } = split(samples);
    assert.equal(parts.filter((part) => part === 'train').length, 66);
    assert.equal(parts[0], 'train');
    assert.equal(parts[99], 'held-out');
  });

  test('holds out no cluster of which an author of rules may have read a member', () => {
    const read = samples.map((one, at) => (at % 2 === 0 ? { ...one, seenByAuthors: true } : one));
    const { parts } = split([...read, { ...malicious(99, 20170101), seenByAuthors: true }]);
    assert.equal(parts[0], 'train');
    assert.equal(parts[98], 'validation');
    assert.equal(parts[97], 'held-out');
    assert.equal(parts[99], 'validation', 'a later member was read');
  });

  test('puts no cluster on two sides, and drops what came later', () => {
    const later = malicious(3, 20160101 + 95);
    const { parts } = split([...samples, later]);
    assert.equal(parts[3], 'train');
    assert.equal(parts.at(-1), undefined);
  });

  test('puts no day on two sides', () => {
    const oneDay = Array.from({ length: 50 }, (_, at) => malicious(at, 20160101));
    const rest = Array.from({ length: 50 }, (_, at) => malicious(100 + at, 20160102 + at));
    const { parts } = split([...oneDay, ...rest]);
    assert.equal(new Set(parts.slice(0, 50)).size, 1);
  });

  test('lets a package that brings many clusters weigh what one does', () => {
    const bulky = Array.from({ length: 400 }, (_, at) => malicious(1000 + at, 20170101, 'bulky'));
    const { boundaries } = split([...samples, ...bulky]);
    assert.equal(boundaries.old, 20160101 + 66);
  });

  test('drops malicious files that stand in benign packages, and counts them', () => {
    const { parts, mixed } = split([...samples, benign(5, packageIn('train'))]);
    assert.equal(mixed, 1);
    assert.equal(parts[5], undefined);
    assert.equal(parts.at(-1), 'train');
  });

  test('puts benign clusters where their first package is, and drops the rest of them', () => {
    const [train, validation] = [packageIn('train'), packageIn('validation')];
    const { parts } = split([benign(1, train), benign(1, validation), benign(2, validation)]);
    const first = train < validation ? 0 : 1;
    assert.equal(parts[first], first === 0 ? 'train' : 'validation');
    assert.equal(parts[1 - first], undefined);
    assert.equal(parts[2], 'validation');
  });

  test('holds out benign packages that were had later, but for what stands in earlier ones', () => {
    const later = (cluster: number): Placed => ({ ...benign(cluster, 'p0'), heldOutOnly: true });
    const { parts, mixed } = split([
      benign(1, packageIn('train')),
      later(1),
      later(2),
      malicious(2, 0),
    ]);
    assert.deepEqual(parts, ['train', undefined, 'held-out', undefined]);
    assert.equal(mixed, 1);
  });

  test('never trains on what is held out only', () => {
    const only = { ...malicious(500, 0), source: 'few', heldOutOnly: true };
    const known = { ...malicious(1, 0), source: 'few', heldOutOnly: true };
    const { parts } = split([...samples, only, known]);
    assert.equal(parts.at(-2), 'held-out');
    assert.equal(parts.at(-1), undefined);
  });

  test('decides by a digest where no day is known', () => {
    const undated = Array.from({ length: 300 }, (_, at) => malicious(at, 0, `u${at}`));
    const { parts } = split(undated);
    const train = parts.filter((part) => part === 'train').length;
    assert.ok(train > 170 && train < 230, String(train));
  });
});
