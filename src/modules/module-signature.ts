/** Who signed a module: Ed25519 (RFC 8032) over the 32 bytes of its digest. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { CaissonError } from '../core/error.ts';

const SIGNATURE = /^[A-Za-z0-9+/]{86}==$/;

/** @returns PEM (SPKI) in one form, however it was written @throws REQUEST_INVALID */
export function publicKeyOf(pem: string): string {
  return String(readKey(pem).export({ type: 'spki', format: 'pem' }));
}

/** @throws REQUEST_INVALID for what is none */
export function signatureOf(text: string): string {
  const trimmed = text.trim();
  if (SIGNATURE.test(trimmed)) return trimmed;
  throw invalid('the signature is not 64 bytes in base64', 'openssl pkeyutl -sign … | base64 -w0');
}

/** @param digest hexadecimal @throws MODULE_SIGNATURE_WRONG */
export function verifySignature(digest: string, signature: string, publicKey: string): void {
  const bytes = Buffer.from(signature, 'base64');
  if (verify(null, Buffer.from(digest, 'hex'), readKey(publicKey), bytes)) return;
  throw new CaissonError('MODULE_SIGNATURE_WRONG', {
    layer: 'modules',
    hint: 'sign the 32 bytes of SHA-256 of exactly this code with the key that belongs to publicKey',
    details: { digest },
  });
}

function readKey(pem: string): KeyObject {
  try {
    // A private key would be read as well: it has no business here.
    if (!/-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('it is no PUBLIC KEY in PEM');
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
    throw new Error(`it is a key for ${key.asymmetricKeyType}`);
  } catch (cause) {
    throw invalid(
      `the public key cannot be used: ${(cause as Error).message}`,
      'openssl pkey -in key.pem -pubout',
    );
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'modules', message, hint });
}
