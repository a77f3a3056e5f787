/** Which keys and signatures are taken: what the engine leaves open is closed here. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  keyIdOf,
  signEd25519,
  usablePrivateKey,
  usablePublicKey,
  verifyEd25519,
} from '../../../src/admission/signing/ed25519.ts';
import { parsePrivateKey, parsePublicKey } from '../../../src/admission/signing/key-text.ts';

/** Order of the base point, RFC 8032. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const P = 2n ** 255n - 19n;

function keyOf(raw: Buffer): KeyObject {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

function littleEndian(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
}

const refusal = (reason: RegExp) => (error: { code: string; message: string; hint: string }) => {
  assert.equal(error.code, 'KEY_INVALID', error.message);
  assert.match(error.message, reason);
  assert.notEqual(error.hint, '');
  return true;
};

describe('a signature', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const message = Buffer.from('message');
  const signature = signEd25519(message, privateKey);

  test('is good for its message and key alone', () => {
    assert.ok(verifyEd25519(message, signature, publicKey));
    assert.ok(!verifyEd25519(Buffer.from('messagf'), signature, publicKey));
    assert.ok(!verifyEd25519(message, signature, generateKeyPairSync('ed25519').publicKey));
    for (let bit = 0; bit < 512; bit++) {
      const flipped = Buffer.from(signature);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.ok(!verifyEd25519(message, flipped, publicKey), `bit ${bit}`);
    }
  });

  test('has 64 bytes', () => {
    for (const wrong of [
      Buffer.alloc(0),
      signature.subarray(1),
      Buffer.concat([signature, signature]),
    ])
      assert.ok(!verifyEd25519(message, wrong, publicKey));
  });

  test('cannot be written in another way: S + L is refused (RFC 8032, 5.1.7)', () => {
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`);
    for (const multiple of [1n, 2n, 8n, 15n]) {
      const other = Buffer.concat([signature.subarray(0, 32), littleEndian(s + multiple * L)]);
      assert.ok(!verifyEd25519(message, other, publicKey), String(multiple));
    }
  });
});

describe('a public key', () => {
  test('of small order is refused, however it is written', () => {
    const order8 = 0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
    const sign = 2n ** 255n;
    for (const y of [0n, 1n, P - 1n, order8, P - order8]) {
      for (const encoded of [y, y + sign]) {
        const key = keyOf(littleEndian(encoded));
        assert.throws(() => usablePublicKey(key), refusal(/small order/), y.toString(16));
      }
    }
    for (const y of [P, P + 1n, P + 18n]) {
      for (const encoded of [y, y + sign]) {
        assert.throws(() => usablePublicKey(keyOf(littleEndian(encoded))), refusal(/RFC 8032/));
      }
    }
  });

  test('of another type is refused, with a hint', () => {
    const others = [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ed448'),
    ];
    for (const { publicKey, privateKey } of others) {
      const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
      assert.throws(() => parsePublicKey(pem), refusal(/type (rsa|ec|x25519|ed448)/));
      const secret = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
      assert.throws(() => parsePrivateKey(secret), refusal(/type (rsa|ec|x25519|ed448)/));
      const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
      assert.throws(() => parsePublicKey(jwk), refusal(/only OKP Ed25519/));
    }
  });
});

describe('a key as text', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = String(publicKey.export({ type: 'spki', format: 'pem' }));
  const pkcs8 = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const jwk = publicKey.export({ format: 'jwk' });
  const secretJwk = privateKey.export({ format: 'jwk' });

  test('is PEM or a JWK, and has the same id in each', () => {
    const id = keyIdOf(publicKey);
    assert.match(id, /^[0-9a-f]{64}$/);
    for (const text of [spki, spki.replaceAll('\n', '\r\n'), JSON.stringify(jwk)])
      assert.equal(keyIdOf(parsePublicKey(text)), id);
    for (const text of [pkcs8, JSON.stringify(secretJwk)])
      assert.equal(keyIdOf(parsePrivateKey(text)), id);
  });

  test('is not taken for the other half', () => {
    for (const text of [pkcs8, JSON.stringify(secretJwk), `${spki}${pkcs8}`])
      assert.throws(() => parsePublicKey(text), refusal(/private/));
    assert.throws(() => parsePrivateKey(spki), refusal(/no PRIVATE KEY/));
    assert.throws(() => parsePrivateKey(JSON.stringify(jwk)), refusal(/public key/));
  });

  test('that is encrypted needs its passphrase', () => {
    const encrypted = String(
      privateKey.export({
        type: 'pkcs8',
        format: 'pem',
        cipher: 'aes-256-cbc',
        passphrase: 'secret words',
      }),
    );
    assert.equal(keyIdOf(parsePrivateKey(encrypted, 'secret words')), keyIdOf(publicKey));
    assert.throws(() => parsePrivateKey(encrypted), refusal(/encrypted/));
    assert.throws(() => parsePrivateKey(encrypted, 'other words'), refusal(/passphrase is wrong/));
  });

  test('that is damaged is refused, and never quoted', () => {
    const secret = (secretJwk.d ?? '').slice(0, 20);
    const bad = [
      '',
      'x',
      '{}',
      '{"kty":"OKP"}',
      JSON.stringify({ ...secretJwk, d: `${secret}` }),
      JSON.stringify({
        ...secretJwk,
        x: generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x,
      }),
      `{"d":"${secret}",${JSON.stringify(secretJwk).slice(1)}`,
      `${JSON.stringify(secretJwk)}x`,
      pkcs8.replace(/\n.{30}/, '\nAAAA'),
      pkcs8.slice(0, 60),
    ];
    for (const text of bad) {
      assert.throws(
        () => parsePrivateKey(text),
        (error: Error) => {
          refusal(/./)(error as never);
          assert.ok(!JSON.stringify(error).includes(secret), text);
          assert.equal(error.cause, undefined);
          return true;
        },
      );
    }
    for (const text of ['', 'x', '{}', JSON.stringify({ ...jwk, x: 'AAAA' }), spki.slice(0, 40)])
      assert.throws(() => parsePublicKey(text), refusal(/./));
  });

  test('that was read as private signs', () => {
    const key = usablePrivateKey(parsePrivateKey(pkcs8));
    assert.ok(verifyEd25519(Buffer.from('x'), signEd25519(Buffer.from('x'), key), publicKey));
  });
});
