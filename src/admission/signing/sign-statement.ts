/** Signing: the statement about a piece of code, and the envelope around it. */
import type { KeyObject } from 'node:crypto';
import { keyIdOf, signEd25519, usablePrivateKey } from './ed25519.ts';
import {
  type EnvelopeDocument,
  envelopeDocument,
  PAYLOAD_TYPE,
  parseEnvelope,
  parseSignatureDocument,
  preAuthenticationEncoding,
} from './envelope.ts';
import { signatureInvalid } from './problem.ts';
import { type SignedPredicate, statementBytes } from './statement.ts';

/**
 * A DSSE envelope with the signature of a key. The same for the same input.
 *
 * @param digest SHA-256 of the code, hexadecimal
 * @param key private, Ed25519
 * @param beside an envelope over the very same statement, to which the signature is added
 * @throws KEY_INVALID, SIGNATURE_INVALID
 */
export function signCode(
  digest: string,
  predicate: SignedPredicate,
  key: KeyObject,
  beside?: string,
): EnvelopeDocument {
  const payload = statementBytes(digest, predicate);
  const keyId = keyIdOf(usablePrivateKey(key));
  const signature = signEd25519(preAuthenticationEncoding(PAYLOAD_TYPE, payload), key);
  const others = beside === undefined ? [] : signaturesBeside(beside, payload);
  return envelopeDocument(payload, [
    ...others.filter((other) => other.keyId !== keyId),
    { keyId, signature },
  ]);
}

function signaturesBeside(text: string, payload: Buffer) {
  const envelope = parseEnvelope(parseSignatureDocument(text));
  if (envelope.payload.equals(payload)) return envelope.signatures;
  throw signatureInvalid(
    'the envelope that is there signs something else',
    'sign with the same id, version, kind and limits, or write to another file with --out',
  );
}
