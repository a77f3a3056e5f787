/**
 * Signatures of tokens that are taken: those where only the issuer can sign, and everybody can check (RFC 7518, RFC 8037,
 * RFC 9864). No `none`, and no HS*: a public key must never do as a shared secret.
 */
export const ASYMMETRIC_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

export type AsymmetricAlgorithm = (typeof ASYMMETRIC_ALGORITHMS)[number];
