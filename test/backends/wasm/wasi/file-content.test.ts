import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FileContent } from '../../../../src/backends/wasm/wasi/file-content.ts';

test('whatever is written, cut off and grown, it reads as plain bytes would', () => {
  const size = fc.integer({ min: 0, max: 200_000 });
  const change = fc.oneof(
    fc.record({
      write: size,
      length: fc.integer({ min: 1, max: 70_000 }),
      byte: fc.integer({ min: 1, max: 255 }),
    }),
    fc.record({ resize: size }),
  );
  const given = fc.record({
    length: fc.constantFrom(0, 1, 300, 65_536, 150_000),
    lazy: fc.boolean(),
  });
  fc.assert(
    fc.property(given, fc.array(change, { maxLength: 12 }), ({ length, lazy }, changes) => {
      const original = new Uint8Array(length).fill(9);
      const content = new FileContent(lazy ? { size: length, load: () => original } : original);
      let plain = Buffer.from(original);
      for (const each of changes) {
        if ('resize' in each) {
          const grown = Buffer.alloc(each.resize);
          plain.copy(grown);
          plain = grown;
          content.resize(each.resize);
        } else {
          const grown = Buffer.alloc(Math.max(plain.length, each.write + each.length));
          plain.copy(grown);
          grown.fill(each.byte, each.write, each.write + each.length);
          plain = grown;
          content.write(each.write, new Uint8Array(each.length).fill(each.byte));
        }
        assert.equal(content.size, plain.length);
        assert.ok(content.pageBytes <= 2 * plain.length + 65_536);
      }
      const read = Buffer.alloc(plain.length + 5, 1);
      assert.equal(content.read(0, read), plain.length);
      assert.ok(read.subarray(0, plain.length).equals(plain));
      assert.ok(Buffer.from(content.whole()).equals(plain));
      assert.ok(
        original.every((byte) => byte === 9),
        'what was handed in is not written to',
      );
    }),
    { numRuns: 300 },
  );
});

test('a file that was cut off gives its memory back', () => {
  const content = new FileContent(new Uint8Array(0));
  content.write(0, new Uint8Array(200_000));
  assert.equal(content.pageBytes, 4 * 65_536);
  content.resize(1);
  assert.equal(content.pageBytes, 256);
  content.resize(0);
  assert.equal(content.pageBytes, 0);
  content.resize(10_000_000);
  assert.equal(content.pageBytes, 0, 'a hole takes none');
});

test('bytes that were never written to are handed back as they are', () => {
  const bytes = new Uint8Array(100_000);
  assert.equal(new FileContent(bytes).whole(), bytes);
});
