/** Decoding and encoding: what is written in the shortest form comes out as it went in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../src/wasm/decode.ts';
import { encode } from '../../src/wasm/encode.ts';

test('the empty module', () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  assert.deepEqual(encode(decode(empty)), empty);
});
