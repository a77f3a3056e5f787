/** How long a value is as JSON, without writing it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonSizeOf } from '../../src/api/json-size.ts';

const MOST = 2 ** 20;

test('what is written is never shorter than what is said', () => {
  for (const value of [
    1,
    'text',
    null,
    [],
    {},
    [1, [2, [3]]],
    { a: 'b', c: [{ d: 'e' }] },
    new Uint8Array(100),
    new Date(0),
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`name ${i}`, [i]])),
  ]) {
    const size = jsonSizeOf(value, MOST) ?? Number.NaN;
    assert.ok(size <= JSON.stringify(value).length + 8, `${size}: ${JSON.stringify(value)}`);
  }
});

test('a part counts wherever it stands', () => {
  const part = ['x'.repeat(1000)];
  assert.ok((jsonSizeOf([part, part, part], MOST) ?? 0) > 3000);
});

test('what has no end, or none that is near, is told without writing it', () => {
  let shared: unknown = 'x';
  for (let i = 0; i < 60; i++) shared = [shared, shared];
  const circle: unknown[] = [];
  circle.push({ circle });
  const holes: unknown[] = [];
  holes.length = 2 ** 32 - 1;
  let deep: unknown = 'x';
  for (let i = 0; i < 100_000; i++) deep = [deep];
  for (const value of [shared, circle, holes, new Float64Array(MOST), 'x'.repeat(MOST)]) {
    assert.equal(jsonSizeOf(value, MOST), undefined);
  }
  assert.ok((jsonSizeOf(deep, MOST) ?? 0) > 100_000);
});
