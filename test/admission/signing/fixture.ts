/** Signers, registries and envelopes for these tests. */
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { SignedSubject } from '../../../src/admission/signing/binding.ts';
import { keyIdOf } from '../../../src/admission/signing/ed25519.ts';
import { signCode } from '../../../src/admission/signing/sign-statement.ts';
import type { SignedPredicate } from '../../../src/admission/signing/statement.ts';
import type {
  SignerDocument,
  TrustDocument,
} from '../../../src/admission/signing/trust-document.ts';
import {
  type TrustRegistry,
  trustRegistry,
} from '../../../src/admission/signing/trust-registry.ts';

export const NOW: number = Date.parse('2026-11-22T12:00:00Z');

export interface Person {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly keyId: string;
}

export function person(name: string): Person {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = String(publicKey.export({ type: 'spki', format: 'pem' }));
  return { name, privateKey, pem, keyId: keyIdOf(publicKey) };
}

export function digestOf(code: string | Uint8Array): string {
  return createHash('sha256').update(code).digest('hex');
}

export const CODE = 'export default (name) => name';

export const predicate: SignedPredicate = { id: 'greet', version: '1.0.0', kind: 'javascript' };

export const subject: SignedSubject = {
  name: 'greet@1.0.0',
  language: 'javascript',
  digest: digestOf(CODE),
};

/** A registry that trusts these. */
export function trusting(
  signers: readonly (Person | [Person, Partial<SignerDocument>])[],
  more: Partial<TrustDocument> = {},
): TrustRegistry {
  const documents = signers.map((each) => {
    const [{ name, pem }, rest] = 'name' in each ? [each, {}] : each;
    return { name, key: pem, ...rest };
  });
  return trustRegistry({ version: 1, signers: documents, ...more }, 'registry', () => {
    throw new Error('no root is named');
  });
}

/** An envelope about {@link CODE} by these. */
export function envelopeBy(
  people: readonly Person[],
  more: Partial<SignedPredicate> = {},
  digest: string = subject.digest,
): string {
  return people.reduce<string | undefined>(
    (before, { privateKey }) =>
      JSON.stringify(signCode(digest, { ...predicate, ...more }, privateKey, before)),
    undefined,
  ) as string;
}
