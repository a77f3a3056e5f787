/** UUIDs of version 7 sort by when they were made, whatever the wall clock does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UuidSource } from '../../src/core/ids.ts';

test('they are of version 7, all different, and never go back, also when the clock is set back', () => {
  const clocks = fc.array(fc.integer({ min: 0, max: 2 ** 47 }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(clocks, (times) => {
      let now = 0;
      const source = new UuidSource(() => now);
      const ids = times.map((time) => {
        now = time;
        return source.next();
      });
      for (const id of ids)
        assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.deepEqual(ids, [...ids].sort());
      assert.equal(new Set(ids).size, ids.length);
    }),
  );
});

test('the time in it is the clock’s; ten thousand of one millisecond stay in order', () => {
  const source = new UuidSource(() => 0x0123_4567_89ab);
  const ids = Array.from({ length: 10_000 }, () => source.next());
  assert.ok(ids[0]?.startsWith('01234567-89ab-7'));
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, ids.length);
});
