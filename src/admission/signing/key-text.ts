/** Keys as people hand them over: PEM (SPKI, PKCS #8) and JWK (RFC 8037). */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { isCaissonError } from '../../core/error.ts';
import { usablePrivateKey, usablePublicKey } from './ed25519.ts';
import { keyInvalid } from './problem.ts';
import { JsonProblem, parseStrictJson } from './strict-json.ts';

const TEXT_MAX = 16 * 1024;
const JWK_BOUNDS = { bytes: TEXT_MAX, depth: 4 } as const;

const PUBLIC_HINT =
  'give the .pub file that caisson keys generate wrote, or openssl pkey -in key.pem -pubout';
const PRIVATE_HINT = 'give a private key of Ed25519 in PEM (PKCS #8) or as a JWK';

/** @param text PEM with PUBLIC KEY, or a JWK without `d` @throws KEY_INVALID */
export function parsePublicKey(text: string): KeyObject {
  return attempt('the public key', PUBLIC_HINT, () => {
    if (isJson(text)) return usablePublicKey(createPublicKey(jwkOf(text, false)));
    // A private key would be read as well: it has no business here.
    if (text.includes('PRIVATE KEY')) {
      throw new Error('it is no PUBLIC KEY but a private one, which belongs to its owner alone');
    }
    if (!/-----BEGIN PUBLIC KEY-----/.test(text)) throw new Error('it is no PUBLIC KEY in PEM');
    return usablePublicKey(createPublicKey(text));
  });
}

/** @param passphrase of a key that is encrypted @throws KEY_INVALID */
export function parsePrivateKey(text: string, passphrase?: string): KeyObject {
  return attempt('the private key', PRIVATE_HINT, () => {
    if (isJson(text)) return privateJwk(text);
    const label = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----/.exec(text)?.[1];
    if (label === undefined) throw new Error('it is no PRIVATE KEY in PEM');
    if (isEncrypted(text) && passphrase === undefined) throw new Error('it is encrypted');
    const secret = passphrase === undefined ? {} : { passphrase };
    return usablePrivateKey(createPrivateKey({ key: text, format: 'pem', ...secret }));
  });
}

export function isEncrypted(text: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text);
}

export function publicKeyPem(key: KeyObject): string {
  return String(usablePublicKey(key).export({ type: 'spki', format: 'pem' }));
}

function isJson(text: string): boolean {
  return text.trimStart().startsWith('{');
}

function jwkOf(text: string, isPrivate: boolean) {
  const value = parseStrictJson(text, JWK_BOUNDS) as Record<string, unknown>;
  const { kty, crv, x, d } = value;
  if (kty !== 'OKP' || crv !== 'Ed25519') {
    throw new Error(
      `it is a key of the type ${show(kty)} ${show(crv)}, and only OKP Ed25519 is taken`,
    );
  }
  if (typeof x !== 'string') throw new Error('it has no x');
  if (!isPrivate && d !== undefined) {
    throw new Error('it is a private key, which belongs to its owner alone');
  }
  if (isPrivate && typeof d !== 'string') throw new Error('it has no d: it is a public key');
  const key = { kty, crv, x, ...(isPrivate ? { d: d as string } : {}) };
  return { key, format: 'jwk' as const };
}

function privateJwk(text: string): KeyObject {
  const jwk = jwkOf(text, true);
  const key = usablePrivateKey(createPrivateKey(jwk));
  // Its x is not looked at otherwise, and would sign with another name than it says.
  if (createPublicKey(key).export({ format: 'jwk' }).x === jwk.key.x) return key;
  throw new Error('its x does not belong to its d');
}

function show(value: unknown): string {
  return typeof value === 'string' && /^[\w-]{1,16}$/.test(value) ? value : '?';
}

function attempt(what: string, hint: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    if (isCaissonError(cause)) throw cause;
    throw keyInvalid(`${what} cannot be used: ${reason(cause)}`, hint);
  }
}

/** Never the cause itself: messages of a parser may quote a key. */
function reason(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  if (cause instanceof JsonProblem || (cause instanceof Error && code === undefined))
    return cause.message;
  if (code === 'ERR_OSSL_BAD_DECRYPT' || String(code).includes('BAD_DECRYPT'))
    return 'the passphrase is wrong';
  return typeof code === 'string' ? code : 'it is damaged';
}
