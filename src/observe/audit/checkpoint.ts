/**
 * A checkpoint: what the log was when it had `size` records, signed. Everything before it is fixed from then on.
 */
import { hash, type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { MerkleTree } from './merkle-tree.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const checkpointSchema = z.strictObject({
  log: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .describe('Random name of the log, so that two logs of one key can not be swapped'),
  size: z.int().min(1).describe('How many records it covers: those with sequence numbers below'),
  root: digest.describe('Root of the Merkle tree over their hashes, hexadecimal'),
  head: digest.describe('Hash of the last of them'),
  previous: digest.describe(
    'Hash of the signed text of the checkpoint before; zeros: there is none',
  ),
  ts: z
    .string()
    .regex(/^\d{1,20}$/)
    .describe('Unix time, nanoseconds'),
  peaks: z
    .array(digest)
    .max(53)
    .describe('Peaks of the tree, the largest first. The root follows from them: not signed'),
  sig: z.string().describe('Ed25519 over the signed text, base64url'),
});

export type Checkpoint = z.infer<typeof checkpointSchema>;
export type UnsignedCheckpoint = Omit<Checkpoint, 'sig'>;

export const NO_CHECKPOINT = '0'.repeat(64);

/** What the signature is over. */
export function signedText(checkpoint: UnsignedCheckpoint): string {
  const { log, size, root, head, previous, ts } = checkpoint;
  return `caisson-audit-checkpoint/1\n${log}\n${size}\n${root}\n${head}\n${previous}\n${ts}\n`;
}

/** What the next one names as `previous`. */
export function checkpointHash(checkpoint: UnsignedCheckpoint): string {
  return hash('sha256', signedText(checkpoint), 'hex');
}

export function signCheckpoint(checkpoint: UnsignedCheckpoint, key: KeyObject): Checkpoint {
  const sig = sign(null, Buffer.from(signedText(checkpoint)), key).toString('base64url');
  return { ...checkpoint, sig };
}

/** Whether it was signed with this key and its peaks are those of its root. */
export function isGenuine(checkpoint: Checkpoint, key: KeyObject): boolean {
  const signature = Buffer.from(checkpoint.sig, 'base64url');
  return (
    verify(null, Buffer.from(signedText(checkpoint)), key, signature) && hasItsRoot(checkpoint)
  );
}

function hasItsRoot({ size, peaks, root }: Checkpoint): boolean {
  try {
    return new MerkleTree(size, peaks).root() === root;
  } catch {
    return false;
  }
}
