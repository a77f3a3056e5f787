/** What is wrong with a key, a signature or the registry of signers, as the errors that callers see. */
import { CaissonError } from '../../core/error.ts';

export function keyInvalid(message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('KEY_INVALID', { layer: 'admission', message, hint, cause });
}

export function signatureInvalid(message: string, hint?: string, cause?: unknown): CaissonError {
  return new CaissonError('SIGNATURE_INVALID', {
    layer: 'admission',
    message,
    hint: hint ?? 'ask whoever signed it for the signature again (caisson sign FILE --key KEY)',
    cause,
  });
}

export function trustInvalid(message: string, hint: string, cause?: unknown): CaissonError {
  return new CaissonError('TRUST_INVALID', { layer: 'admission', message, hint, cause });
}
