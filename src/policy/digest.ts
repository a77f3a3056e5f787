/**
 * The digest of a policy: SHA-256 over its canonical text.
 *
 * Canonical: JSON without spaces, keys sorted by UTF-16 unit (RFC 8785 for the values that occur
 * here: strings, integers, booleans, null), lists that are sets sorted. The name is left out: two
 * policies that allow the same are equal, whatever they are called. `walls` keeps its order, which
 * is the order of preference.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Policy } from './policy.ts';

/** `sha256:<64 hex digits>`; equal for policies that allow the same in the same way. */
export function digestPolicy(policy: Policy): string {
  return `sha256:${bytesToHex(sha256(new TextEncoder().encode(canonicalText(policy))))}`;
}

/** What the digest is taken of. */
export function canonicalText(policy: Policy): string {
  const { name: _, walls, ...rest } = policy;
  return `{"policy":${write(rest)},"walls":${JSON.stringify(walls)}}`;
}

function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).sort().join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${write(inner)}`);
  return `{${entries.join(',')}}`;
}
