import type { SignedStatement } from './statement.ts';
import type { TrustedSigner } from './trust-registry.ts';

/** A good signature by somebody in the registry, with what it says; whether that is about the code is another question. */
export interface GoodSignature {
  readonly signer: TrustedSigner;
  /** SHA-256 of the key's SPKI, hexadecimal; of a Sigstore bundle that of its certificate's key. */
  readonly keyId: string;
  /** Of a Sigstore certificate: its issuer and its subject. */
  readonly identity?: string;
  readonly statement: SignedStatement;
}
