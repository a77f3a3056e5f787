import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { begunCharacter } from '../../src/core/begun-character.ts';

test('a text that is cut anywhere is whole without what was begun', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(), (text, at) => {
      const bytes = Buffer.from(text);
      const head = bytes.subarray(0, at % (bytes.length + 1));
      const whole = head.subarray(0, head.length - begunCharacter(head));
      assert.ok(text.startsWith(whole.toString('utf8')));
      assert.ok(head.length - whole.length < 4);
    }),
  );
});

test('what is no UTF-8 has begun nothing', () => {
  for (const bytes of [
    [],
    [0x80],
    [0x80, 0x80, 0x80, 0x80],
    [0xff],
    [0xc0],
    [0xf5, 0x80],
    [0x41],
  ]) {
    assert.equal(begunCharacter(Uint8Array.from(bytes)), 0);
  }
});
