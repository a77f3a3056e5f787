/** The records of a trace: in pieces of any size, and nothing that is not one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TraceDecoder } from '../../src/launcher/trace-record.ts';

function record(...fields: readonly string[]): Buffer {
  const text = Buffer.from(fields.map((field) => `${field}\0`).join(''));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text]);
}

const bytes = Buffer.concat([
  record('path', 'open', 'f', '524288', '/w/a b\nc'),
  record('path', 'rename', 'f', '0', '/w/a', '/w/b'),
  record('net', 'connect', '1', '6', '443', '2001:db8::1'),
  record('dns', '00ff'),
  record('call', '3221225534', '162', '0'),
  record('end', '256', '1', '2', '3', '4', '5', '6', '0'),
]);

test('records come whole, however the bytes are cut', () => {
  const whole = [...new TraceDecoder().push(bytes)];
  assert.deepEqual(
    whole.map(({ kind }) => kind),
    ['path', 'path', 'net', 'dns', 'call', 'end'],
  );
  assert.deepEqual(whole[0], {
    kind: 'path',
    op: 'open',
    state: 'f',
    flags: 524_288,
    path: '/w/a b\nc',
  });
  assert.equal(whole[1]?.kind === 'path' && whole[1].to, '/w/b');
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (sizes) => {
      const decoder = new TraceDecoder();
      const found = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number;
        found.push(...decoder.push(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(found, whole);
    }),
  );
});

test('what is no record is refused', () => {
  const wrong = [
    record('else'),
    record('path', 'eat', 'f', '0', '/w'),
    record('path', 'open', 'x', '0', '/w'),
    record('path', 'open', 'f', 'many', '/w'),
    record('path', 'open', 'f', '0', 'relative'),
    record('net', 'connect', '1', '9', '443', 'x'),
    record('end', '0', '1'),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
  ];
  for (const each of wrong) {
    assert.throws(() => [...new TraceDecoder().push(each)], { code: 'PROTOCOL_ERROR' });
  }
});
