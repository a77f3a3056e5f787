/** The registry of trusted signers, checked and ready to be asked. Immutable; {@link TrustFile} brings a new one. */

import { createHash, type KeyObject } from 'node:crypto';
import type * as z from 'zod/mini';
import { safeParse } from '../../core/safe-parse.ts';
import { keyIdOf } from './ed25519.ts';
import { parsePublicKey } from './key-text.ts';
import { trustInvalid } from './problem.ts';
import {
  type GroupDocument,
  type SigstorePolicy,
  type TrustDocument,
  timeOf,
  trustSchema,
} from './trust-document.ts';

export interface TrustedSigner {
  readonly name: string;
  readonly key?: KeyObject;
  /** SHA-256 of the key's SPKI, hexadecimal; of a Sigstore identity none. */
  readonly keyId?: string;
  readonly sigstore?: SigstorePolicy & { readonly rootText: string };
  readonly scope: NonNullable<TrustDocument['signers'][number]['scope']>;
  /** Unix ms; the end is excluded. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly revoked?: { readonly at: string; readonly reason: string };
}

export interface TrustRegistry {
  readonly signers: readonly TrustedSigner[];
  readonly groups: readonly GroupDocument[];
  readonly byKeyId: ReadonlyMap<string, TrustedSigner>;
  /** Unix ms; 0 where it is not said. */
  readonly updatedMs: number;
  /** Differs where anything in it does. */
  readonly revision: string;
}

const SHOWN = 10;
const HINT =
  'correct it; docs/signing.md says what each key takes, and caisson keys list --trust FILE looks again';

/**
 * @param source what messages call it
 * @param readRoot the text of the trusted_root.json that an entry names
 * @throws TRUST_INVALID
 */
export function trustRegistry(
  value: unknown,
  source: string,
  readRoot: (path: string) => string,
): TrustRegistry {
  const parsed = safeParse(trustSchema, value);
  if (!parsed.success) {
    throw trustInvalid(
      `${source}: ${parsed.error.issues.slice(0, SHOWN).map(wordsOf).join('; ')}`,
      HINT,
    );
  }
  const { signers: documents, groups = [], updated } = parsed.data;
  const fail = (message: string): Error => trustInvalid(`${source}: ${message}`, HINT);
  const signers = documents.map((document): TrustedSigner => {
    const { name, key: text, sigstore, scope = {}, from, until, revoked } = document;
    const key = text === undefined ? undefined : keyIn(text, `${source}: the key of ${name}`);
    const fromMs = from === undefined ? Number.NEGATIVE_INFINITY : timeOf(from);
    const untilMs = until === undefined ? Number.POSITIVE_INFINITY : timeOf(until);
    if (fromMs >= untilMs) throw fail(`${name}: from is not before until`);
    return {
      name,
      ...(key === undefined ? {} : { key, keyId: keyIdOf(key) }),
      ...(sigstore === undefined
        ? {}
        : { sigstore: { ...sigstore, rootText: readRoot(sigstore.root) } }),
      scope,
      fromMs,
      untilMs,
      ...(revoked === undefined ? {} : { revoked }),
    };
  });
  checkNames(
    [...signers, ...groups].map(({ name }) => name),
    fail,
  );
  const byKeyId = new Map<string, TrustedSigner>();
  for (const signer of signers) {
    if (signer.keyId === undefined) continue;
    const other = byKeyId.get(signer.keyId);
    // One person would count twice, and a revocation of the one would leave the other.
    if (other !== undefined) throw fail(`${other.name} and ${signer.name} have the same key`);
    byKeyId.set(signer.keyId, signer);
  }
  checkGroups(groups, signers, fail);
  const updatedMs = updated === undefined ? 0 : timeOf(updated);
  return { signers, groups, byKeyId, updatedMs, revision: revisionOf(value, signers) };
}

function keyIn(text: string, what: string): KeyObject {
  try {
    return parsePublicKey(text);
  } catch (cause) {
    throw trustInvalid(`${what}: ${(cause as Error).message}`, HINT, cause);
  }
}

function checkNames(names: readonly string[], fail: (message: string) => Error): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw fail(`two signers or groups are called ${twice}`);
}

function checkGroups(
  groups: readonly GroupDocument[],
  signers: readonly TrustedSigner[],
  fail: (message: string) => Error,
): void {
  const known = new Set(signers.map(({ name }) => name));
  for (const { name, of, threshold } of groups) {
    const stranger = of.find((member) => !known.has(member));
    if (stranger !== undefined) throw fail(`the group ${name} names ${stranger}, who is no signer`);
    if (new Set(of).size !== of.length) throw fail(`the group ${name} names somebody twice`);
    if (threshold > of.length) {
      throw fail(`the group ${name} needs ${threshold} of ${of.length}: nobody could meet that`);
    }
  }
}

function revisionOf(value: unknown, signers: readonly TrustedSigner[]): string {
  const roots = signers.map(({ sigstore }) => sigstore?.rootText ?? '');
  return createHash('sha256')
    .update(JSON.stringify([value, roots]))
    .digest('hex');
}

function wordsOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String).join('.');
  const text =
    issue.code === 'unrecognized_keys'
      ? `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`
      : issue.message;
  return path === '' ? text : `${path}: ${text}`;
}
