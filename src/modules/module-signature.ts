/** Who signed a module, in the thin form: Ed25519 (RFC 8032) over the 32 bytes of its digest, by a key that was given. */

import { decodeBase64 } from '../admission/signing/base64.ts';
import { SIGNATURE_BYTES, verifyEd25519 } from '../admission/signing/ed25519.ts';
import { parsePublicKey, publicKeyPem } from '../admission/signing/key-text.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';

/** @returns PEM (SPKI) in one form, however it was written @throws REQUEST_INVALID */
export function publicKeyOf(text: string): string {
  return publicKeyPem(readKey(text));
}

/** @throws REQUEST_INVALID for what is none */
export function signatureOf(text: string): string {
  const trimmed = text.trim();
  if (decodeBase64(trimmed)?.length === SIGNATURE_BYTES && !/[-_]/.test(trimmed)) return trimmed;
  throw invalid('the signature is not 64 bytes in base64', 'openssl pkeyutl -sign … | base64 -w0');
}

/** @param digest hexadecimal @throws MODULE_SIGNATURE_WRONG */
export function verifySignature(digest: string, signature: string, publicKey: string): void {
  const bytes = Buffer.from(signature, 'base64');
  if (verifyEd25519(Buffer.from(digest, 'hex'), bytes, readKey(publicKey))) return;
  throw new CaissonError('MODULE_SIGNATURE_WRONG', {
    layer: 'modules',
    hint: 'sign the 32 bytes of SHA-256 of exactly this code with the key that belongs to publicKey',
    details: { digest },
  });
}

function readKey(text: string) {
  try {
    return parsePublicKey(text);
  } catch (error) {
    if (!isCaissonError(error)) throw error;
    throw invalid(error.message, error.hint ?? '');
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'modules', message, hint });
}
