/** Ed25519 (RFC 8032): the keys that are taken, their names, and the check of a signature. */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { keyInvalid } from './problem.ts';

export const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

const P = 2n ** 255n - 19n;
/**
 * The y of the eight points whose order divides the cofactor 8 (RFC 7748, section 7): for such a "key" a signature says
 * nothing about who made it. In turn of order 4, 1, 2, and the two of order 8.
 */
const SMALL_ORDER_Y = new Set([
  0n,
  1n,
  P - 1n,
  0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

const HINT =
  'make a key with caisson keys generate DIRECTORY, or openssl genpkey -algorithm ed25519';

/** A public key of Ed25519 that can be used. @throws KEY_INVALID */
export function usablePublicKey(key: KeyObject): KeyObject {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  checkType(half);
  const y = numberOf(rawPublicKey(half)) & (2n ** 255n - 1n);
  if (y >= P) throw keyInvalid('the public key is not written as RFC 8032 has it', HINT);
  if (SMALL_ORDER_Y.has(y)) {
    throw keyInvalid('the public key is a point of small order: anybody can sign for it', HINT);
  }
  return half;
}

/** @throws KEY_INVALID */
export function usablePrivateKey(key: KeyObject): KeyObject {
  checkType(key);
  usablePublicKey(key);
  return key;
}

/** SHA-256 of the key as SPKI, hexadecimal. */
export function keyIdOf(key: KeyObject): string {
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return createHash('sha256')
    .update(half.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

export function signEd25519(message: Uint8Array, key: KeyObject): Buffer {
  return sign(null, message, key);
}

/** @param key of {@link usablePublicKey} */
export function verifyEd25519(message: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, message, key, signature);
}

function checkType(key: KeyObject): void {
  if (key.asymmetricKeyType === 'ed25519') return;
  const kind = key.asymmetricKeyType ?? key.type;
  throw keyInvalid(`it is a key of the type ${kind}, and only ed25519 is taken`, HINT);
}

function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }).subarray(-KEY_BYTES);
}

function numberOf(littleEndian: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`);
}
