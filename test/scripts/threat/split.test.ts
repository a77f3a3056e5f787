import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Part, type Placed, partOfPackage, split } from '../../../scripts/threat/split.ts';

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

const packageIn = (part: Part): string => {
  for (let number = 0; ; number++) if (partOfPackage(`p${number}`) === part) return `p${number}`;
};

describe('the split', () => {
  const samples = Array.from({ length: 100 }, (_, at) => malicious(at, 20160101 + at));

  test('is by day: 60, 20, 20', () => {
    const { parts } = split(samples);
    assert.equal(parts.filter((part) => part === 'train').length, 60);
    assert.equal(parts.filter((part) => part === 'validation').length, 20);
    assert.equal(parts[0], 'train');
    assert.equal(parts[99], 'held-out');
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
    assert.equal(boundaries.old?.validation, 20160101 + 60);
  });

  test('drops malicious files that stand in benign packages, and counts them', () => {
    const { parts, mixed } = split([...samples, benign(5, packageIn('train'))]);
    assert.equal(mixed, 1);
    assert.equal(parts[5], undefined);
    assert.equal(parts.at(-1), 'train');
  });

  test('puts benign clusters where their first package is, and drops the rest of them', () => {
    const [train, heldOut] = [packageIn('train'), packageIn('held-out')];
    const { parts } = split([benign(1, train), benign(1, heldOut), benign(2, heldOut)]);
    const first = train < heldOut ? 0 : 1;
    assert.equal(parts[first], first === 0 ? 'train' : 'held-out');
    assert.equal(parts[1 - first], undefined);
    assert.equal(parts[2], 'held-out');
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
    assert.ok(train > 150 && train < 210, String(train));
  });
});
