/** Metadata comes from strangers: it is data of bounded size, whatever it pretends to be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyMetadata, MetadataProblem } from '../../src/modules/module-metadata.ts';

const refused = (value: unknown, reason: RegExp): void =>
  assert.throws(
    () => copyMetadata(value),
    (error: Error) => error instanceof MetadataProblem && reason.test(error.message),
  );

test('JSON is copied as it is', () => {
  const value = { a: [1, 'x', null, true, { b: -0.5 }], toString: 'own', '': {} };
  const copy = copyMetadata(value);
  assert.deepEqual(copy, value);
  assert.notEqual(copy.a, value.a);
  assert.deepEqual(copyMetadata(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
});

test('nothing poses as a prototype', () => {
  refused(JSON.parse('{"__proto__": {"isAdmin": true}}'), /__proto__/);
  refused(JSON.parse('{"a": [{"__proto__": null}]}'), /__proto__/);
  refused({ constructor: { prototype: {} } }, /constructor/);
  refused({ a: { prototype: 1 } }, /prototype/);
  refused({ [Symbol.toPrimitive]: 1 }, /Symbol/);
  refused(Object.create({ inherited: 1 }), /plain/);
  refused(new Map([['a', 1]]), /plain/);
  refused(new Proxy(class {}, {}), /not an object/);
  assert.equal(({} as Record<string, unknown>).isAdmin, undefined);
});

test('what JSON does not say is refused, not dropped', () => {
  for (const value of [undefined, () => 1, 1n, Symbol('s')]) refused({ a: value }, /JSON has no/);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) refused({ a: value }, /JSON has no/);
  refused({ a: new Array(1) }, /JSON has no undefined/);
  refused({ a: '\ud800' }, /Unicode/);
  for (const value of ['text', null, [], 7]) refused(value, /not an object/);
});

test('it is bounded in size and depth, also where it has no end', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  refused(cyclic, /deep/);
  refused({ a: 'x'.repeat(17_000) }, /larger/);
  refused({ a: '\u0001'.repeat(4_000) }, /larger/);
  refused({ a: new Array(2 ** 31) }, /larger/);
  const endless = new Proxy(
    {},
    { ownKeys: () => Array.from({ length: 50_000 }, (_, i) => `k${i}`) },
  );
  refused(endless, /larger/);
  assert.equal(JSON.stringify(copyMetadata({ a: 'x'.repeat(16_000) })).length, 16_008);
});

test('each property is read once', () => {
  let reads = 0;
  const value = {
    get a() {
      return reads++ === 0 ? 'fine' : { __proto__: null };
    },
  };
  assert.deepEqual(copyMetadata(value), { a: 'fine' });
  assert.equal(reads, 1);
});
