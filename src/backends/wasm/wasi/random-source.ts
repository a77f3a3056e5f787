import { createCipheriv, createHash, randomFillSync } from 'node:crypto';

/** Fills the target; called with at most 64 KiB at a time. */
export type RandomSource = (target: Uint8Array) => void;

/** The kernel's randomness. */
export const systemRandom: RandomSource = (target) => {
  randomFillSync(target);
};

const NONCE = new Uint8Array(16);

/**
 * The same bytes for the same seed: the key stream of ChaCha20 (RFC 8439) under SHA-256 of the seed. One stream,
 * however it is cut into calls.
 */
export function seededRandom(seed: string | Uint8Array): RandomSource {
  const key = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('chacha20', key, NONCE);
  return (target) => {
    target.set(cipher.update(new Uint8Array(target.length)));
  };
}
