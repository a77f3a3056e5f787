/** DSSE: the bytes that are signed, and what is no envelope. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeBase64 } from '../../../src/admission/signing/base64.ts';
import {
  PAYLOAD_TYPE,
  parseEnvelope,
  parseSignatureDocument,
  preAuthenticationEncoding,
} from '../../../src/admission/signing/envelope.ts';
import { envelopeBy, person } from './fixture.ts';

const good = JSON.parse(envelopeBy([person('alice')])) as {
  payload: string;
  payloadType: string;
  signatures: { keyid: string; sig: string }[];
};

function refused(document: unknown, reason: RegExp): void {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  assert.throws(
    () => parseEnvelope(parseSignatureDocument(text)),
    (error: { code: string; message: string; layer: string; hint: string }) => {
      assert.deepEqual(
        [error.code, error.layer],
        ['SIGNATURE_INVALID', 'admission'],
        error.message,
      );
      assert.match(error.message, reason);
      assert.notEqual(error.hint, '');
      return true;
    },
  );
}

describe('the pre-authentication encoding', () => {
  test('is that of the specification’s test vector', () => {
    const bytes = preAuthenticationEncoding(
      'http://example.com/HelloWorld',
      Buffer.from('hello world'),
    );
    assert.equal(bytes.toString(), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  test('counts bytes, and an empty part is one', () => {
    assert.equal(preAuthenticationEncoding('ä', Buffer.from('€')).toString(), 'DSSEv1 2 ä 3 €');
    assert.equal(preAuthenticationEncoding('', Buffer.alloc(0)).toString(), 'DSSEv1 0  0 ');
  });

  test('is never the same for two pairs, not even for parts that look like lengths', () => {
    const part = fc.string({
      unit: fc.constantFrom('0', '1', '2', '9', ' ', 'a', 'ä'),
      maxLength: 8,
    });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const isSame = preAuthenticationEncoding(a, Buffer.from(b)).equals(
          preAuthenticationEncoding(c, Buffer.from(d)),
        );
        assert.equal(isSame, a === c && b === d);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('base64', () => {
  test('is read in both alphabets, with its padding', () => {
    const bytes = Buffer.from('fbfffe00', 'hex');
    assert.deepEqual(decodeBase64('+//+AA=='), bytes);
    assert.deepEqual(decodeBase64('-__-AA=='), bytes);
  });

  test('has one spelling in each', () => {
    const other = [
      '+//+AA',
      '+//+AA=',
      '-__-AA',
      '+//+AB==',
      '+/_+AA==',
      ' +//+AA==',
      '+//+\nAA==',
      '+//+AA===',
    ];
    for (const text of [...other, '-__-AB==', '*', 'A', 'AA', '====']) {
      assert.equal(decodeBase64(text), undefined, text);
    }
  });

  test('reads back whatever is written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        assert.deepEqual(decodeBase64(text), Buffer.from(bytes));
        const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_');
        assert.deepEqual(decodeBase64(urlSafe), Buffer.from(bytes));
      }),
    );
  });
});

describe('an envelope', () => {
  test('is read, also with fields that nobody knows and without a keyid', () => {
    const [signature] = good.signatures;
    const more = {
      ...good,
      note: 1,
      signatures: [{ ...signature, cert: 'x' }, { sig: signature?.sig }],
    };
    const { signatures } = parseEnvelope(parseSignatureDocument(JSON.stringify(more)));
    assert.deepEqual(
      signatures.map(({ keyId }) => keyId),
      [signature?.keyid, ''],
    );
  });

  test('signs no other type of payload', () => {
    for (const payloadType of [
      'application/json',
      `${PAYLOAD_TYPE} `,
      PAYLOAD_TYPE.toUpperCase(),
      '',
    ])
      refused({ ...good, payloadType }, /payloadType/);
    for (const payloadType of [undefined, null, [PAYLOAD_TYPE], { a: 1 }])
      refused({ ...good, payloadType }, /no DSSE envelope: payloadType/);
  });

  test('is refused where parts are missing, of the wrong type, or not base64', () => {
    for (const document of ['[]', 'null', '7', '"x"', '{}']) refused(document, /no DSSE envelope/);
    for (const signatures of [undefined, [], {}, [null], [{}], [{ sig: 7 }], 'x'])
      refused({ ...good, signatures }, /no DSSE envelope: signatures/);
    refused({ ...good, payload: '' }, /payload/);
    refused({ ...good, payload: good.payload.slice(1) }, /payload is not base64/);
    refused({ ...good, signatures: [{ sig: 'A' }] }, /signatures\.0\.sig is not base64/);
    const many = Array.from({ length: 17 }, () => good.signatures[0]);
    refused({ ...good, signatures: many }, /signatures/);
  });

  test('is JSON that everybody reads alike', () => {
    const text = JSON.stringify(good);
    refused(text.slice(0, -1), /not JSON/);
    refused(`${text}x`, /not JSON/);
    refused(`\ufeff${text}`, /not JSON/);
    refused(text.replace('{', '{"payload":"AAAA",'), /"payload" stands there twice/);
    // The same key, spelled otherwise.
    refused(text.replace('{', '{"p\\u0061yload":"AAAA",'), /"payload" stands there twice/);
    const long = `"\u001b[2J${'x'.repeat(5000)}":1,`.replace('\u001b', '\\u001b');
    refused(
      text.replace('{', `{${long}${long}`),
      /the key "[ -~]{200,230}\.\.\." stands there twice$/,
    );
    refused(text.replace('{', '{"__proto__":{"payload":"AAAA"},'), /__proto__ is not allowed/);
    refused(text.replace('{', '{"\\u005f_proto__":{},'), /__proto__ is not allowed/);
    refused(text.replace('{', '{"note":"\\ud800",'), /not valid Unicode/);
    refused(
      text.replace('{', `{"note":${'['.repeat(17)}${']'.repeat(17)},`),
      /nested deeper than 16/,
    );
    refused(text.replace('{', `{"note":${'9'.repeat(40)},`), /number in it is too long/);
    refused('['.repeat(500_000), /not JSON/);
    refused(`${'['.repeat(500_000)}${']'.repeat(500_000)}`, /nested deeper/);
    refused(`{"a":"${'x'.repeat(1024 * 1024)}"}`, /longer than/);
    const broken = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    assert.throws(() => parseSignatureDocument(broken), /not UTF-8/);
  });
});
