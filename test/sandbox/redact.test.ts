import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Redactor } from '../../src/sandbox/redact.ts';

const TOKEN = 'ghp_s3cret/Value+with=signs&more';
const one = new Redactor([{ name: 'TOKEN', value: TOKEN }]);
const clean = (text: string, redactor = one) => redactor.bytes(Buffer.from(text)).toString();

/** Piece by piece, cut at the given places. */
function streamed(redactor: Redactor, bytes: Buffer, cuts: readonly number[]): Buffer {
  const stream = redactor.stream();
  const out: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    out.push(stream.add(bytes.subarray(from, cut)));
    from = Math.max(from, cut);
  }
  out.push(stream.add(bytes.subarray(from)), stream.end());
  return Buffer.concat(out);
}

describe('Redactor', () => {
  test('the value, alone and inside, each time', () => {
    assert.equal(clean(`a ${TOKEN}${TOKEN} b`), 'a [secret TOKEN][secret TOKEN] b');
    const plain = Buffer.from('nothing to see');
    assert.equal(one.bytes(plain), plain, 'the same object');
  });

  test('its percent-encoded forms', () => {
    const lower = encodeURIComponent(TOKEN).replace(/%../g, (code) => code.toLowerCase());
    for (const form of [encodeURIComponent(TOKEN), lower]) {
      assert.equal(clean(`/path?t=${form}&x`), '/path?t=[secret TOKEN]&x');
    }
    const odd = new Redactor([{ name: 'A', value: "it's (odd)!" }]);
    assert.equal(clean('=it%27s%20%28odd%29%21.', odd), '=[secret A].');
  });

  test('its base64, also where it stands in a longer text that was encoded with it', () => {
    assert.equal(clean(Buffer.from(TOKEN).toString('base64')), '[secret TOKEN]');
    for (const alphabet of ['base64', 'base64url'] as const) {
      for (const before of ['', 'u', 'us', 'use', 'user:']) {
        const text = clean(Buffer.from(`${before}${TOKEN} and more`).toString(alphabet));
        assert.match(text, /\[secret TOKEN\]/);
        const left = text.replace('[secret TOKEN]', '');
        // What the neighbours decide too: less than a byte on each side.
        assert.ok(!Buffer.from(left, alphabet).toString('latin1').includes(TOKEN.slice(1, 5)));
      }
    }
  });

  test('bytes that are no text pass unharmed', () => {
    const bytes = Buffer.concat([
      Buffer.from([0, 255, 128, 10]),
      Buffer.from(TOKEN),
      Buffer.from([200]),
    ]);
    const expected = Buffer.concat([
      Buffer.from([0, 255, 128, 10]),
      Buffer.from('[secret TOKEN]'),
      Buffer.from([200]),
    ]);
    assert.deepEqual(one.bytes(bytes), expected);
  });

  test('however a stream is cut, what comes out is the same', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 9 });
    fc.assert(
      fc.property(
        fc.uniqueArray(letters, { minLength: 1, maxLength: 3 }),
        fc.array(fc.oneof(fc.constantFrom('a', 'b', 'c', 'ab', 'bca'), fc.nat({ max: 2 })), {
          maxLength: 20,
        }),
        fc.array(fc.nat({ max: 100 }), { maxLength: 8 }),
        (values, pieces, cuts) => {
          const redactor = new Redactor(values.map((value, i) => ({ name: `${i}`, value })));
          const text = pieces
            .map((piece) => (typeof piece === 'number' ? (values[piece] ?? 'b') : piece))
            .join('');
          const bytes = Buffer.from(text);
          const whole = redactor.bytes(bytes);
          const places = cuts.map((cut) => Math.min(cut, bytes.length));
          assert.equal(streamed(redactor, bytes, places).toString(), whole.toString());
          for (const value of values) {
            assert.ok(
              !whole
                .toString()
                .replaceAll(/\[secret \d\]/g, '|')
                .includes(value),
            );
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('a stream holds back no more than could be the front of a value', () => {
    const stream = one.stream();
    assert.equal(stream.add(Buffer.from('prompt $ ')).toString(), 'prompt $ ');
    assert.equal(stream.add(Buffer.from(`x ${TOKEN.slice(0, 7)}`)).toString(), 'x ');
    assert.equal(stream.add(Buffer.from('!')).toString(), `${TOKEN.slice(0, 7)}!`);
    stream.add(Buffer.from('g'));
    assert.equal(stream.end().toString(), 'g');
  });

  test('what a cut in the middle of an output leaves of a value goes, too', () => {
    const { head, tail } = one.cut(
      Buffer.from(`head ${TOKEN.slice(0, 20)}`),
      Buffer.from(`${TOKEN.slice(20)} tail`),
    );
    assert.equal(head.toString(), 'head [secret TOKEN]');
    assert.equal(tail.toString(), '[secret TOKEN] tail');
    const untouched = one.cut(Buffer.from('ends in gh'), Buffer.from('re begins'));
    assert.equal(`${untouched.head}|${untouched.tail}`, 'ends in gh|re begins');
  });

  test('strings in values, names of fields too; a value without any is the same object', () => {
    const value = { reason: `no ${TOKEN}`, details: { paths: [`/x/${TOKEN}`], [TOKEN]: 1 }, n: 7 };
    assert.deepEqual(one.value(value), {
      reason: 'no [secret TOKEN]',
      details: { paths: ['/x/[secret TOKEN]'], '[secret TOKEN]': 1 },
      n: 7,
    });
    const plain = { a: ['b'] };
    assert.equal(one.value(plain), plain);
  });

  test('whoever comes when the values are gone gets nothing through', () => {
    const redactor = new Redactor([{ name: 'TOKEN', value: TOKEN }]);
    const letGo = redactor.hold();
    redactor.close();
    assert.equal(clean(TOKEN, redactor), '[secret TOKEN]');
    letGo();
    letGo();
    for (const use of [
      () => redactor.hold(),
      () => redactor.stream(),
      () => redactor.text(TOKEN),
      () => redactor.value({ token: TOKEN }),
    ]) {
      assert.throws(use, { code: 'SANDBOX_CLOSED' });
    }
  });

  test('what is too short to be a secret is left alone', () => {
    assert.equal(clean('abc abc', new Redactor([{ name: 'A', value: 'abc' }])), 'abc abc');
  });
});
