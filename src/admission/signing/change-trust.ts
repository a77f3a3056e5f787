/** Changes of the registry of trusted signers: each takes a document and gives the next one. */
import { CaissonError } from '../../core/error.ts';
import { suggest } from '../../policy/suggest.ts';
import { keyIdOf } from './ed25519.ts';
import { parsePublicKey } from './key-text.ts';
import type { GroupDocument, SignerDocument, TrustDocument } from './trust-document.ts';

/** @throws REQUEST_INVALID where the name is taken, or the key was revoked */
export function withEntry(
  document: TrustDocument,
  entry: SignerDocument | GroupDocument,
  replace: boolean,
): TrustDocument {
  const { signers, groups = [] } = document;
  const old = [...signers, ...groups].find(({ name }) => name === entry.name);
  if (old !== undefined && !replace) {
    throw invalid(
      `${entry.name} is there already`,
      'say replace: true (--replace), or choose another name',
    );
  }
  if ('of' in entry) {
    if (old !== undefined && !('of' in old))
      throw invalid(`${entry.name} is a signer`, 'choose another name');
    return { ...document, groups: [...groups.filter(({ name }) => name !== entry.name), entry] };
  }
  if (old !== undefined && 'of' in old)
    throw invalid(`${entry.name} is a group`, 'choose another name');
  // A key that was revoked would come back under the eyes of nobody.
  const revoked = signers.find((each) => each.revoked !== undefined && isSameKey(each, entry));
  if (revoked !== undefined) {
    throw invalid(
      `that key was revoked, as ${revoked.name}: ${revoked.revoked?.reason}`,
      'make a new key (caisson keys generate DIRECTORY)',
    );
  }
  if (old?.revoked !== undefined) {
    throw invalid(
      `${entry.name} was revoked, and stays so`,
      'trust the new key under another name',
    );
  }
  return { ...document, signers: [...signers.filter(({ name }) => name !== entry.name), entry] };
}

function isSameKey(a: SignerDocument, b: SignerDocument): boolean {
  return a.key !== undefined && b.key !== undefined && idOf(a.key) === idOf(b.key);
}

function idOf(key: string): string {
  return keyIdOf(parsePublicKey(key));
}

export interface Revoked {
  readonly document: TrustDocument;
  readonly name: string;
  /** Where it was revoked already. */
  readonly before?: { readonly at: string; readonly reason: string };
}

/**
 * None of its signatures counts any more, whenever it was made.
 *
 * @param given name, or id of the key
 * @throws REQUEST_INVALID
 */
export function withRevoked(
  document: TrustDocument,
  given: string,
  { reason, nowMs }: { readonly reason: string; readonly nowMs: number },
): Revoked {
  const { signers } = document;
  const found = signers.find((signer) => signer.name === given || keyIdIn(signer) === given);
  if (found === undefined) throw unknown(given, signers);
  const { name, revoked: before } = found;
  if (before !== undefined) return { document, name, before };
  const revoked = { at: new Date(nowMs).toISOString(), reason };
  return {
    name,
    document: {
      ...document,
      signers: signers.map((signer) => (signer === found ? { ...signer, revoked } : signer)),
    },
  };
}

function keyIdIn({ key }: SignerDocument): string | undefined {
  return key === undefined ? undefined : keyIdOf(parsePublicKey(key));
}

function unknown(given: string, signers: readonly SignerDocument[]): CaissonError {
  const near = suggest(
    given,
    signers.map(({ name }) => name),
  );
  return invalid(
    `there is no signer ${JSON.stringify(given)}`,
    near === undefined
      ? 'the list of signers shows who there is (caisson keys list)'
      : `did you mean ${near}?`,
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'admission', message, hint });
}
