/** `caisson keys revoke NAME`. */
import { keyIdOf } from '../../admission/signing/ed25519.ts';
import { parsePublicKey } from '../../admission/signing/key-text.ts';
import type { SignerDocument } from '../../admission/signing/trust-document.ts';
import { CaissonError } from '../../core/error.ts';
import { suggest } from '../../policy/suggest.ts';
import type { Action } from '../command.ts';
import type { revokeFlags } from '../signing-commands.ts';
import { writableTrustFile } from '../trust-place.ts';

export const action: Action<typeof revokeFlags> = async ({ flags, positionals: [given = ''] }) => {
  const { reason } = flags;
  if (reason === undefined || reason.trim() === '') {
    throw invalid(
      'a revocation needs its reason',
      `caisson keys revoke ${given} --reason "laptop stolen"`,
    );
  }
  const trust = writableTrustFile(flags);
  const now = Date.now();
  let before: SignerDocument | undefined;
  trust.update(now, (document) => {
    before = document.signers.find((signer) => signer.name === given || keyIdIn(signer) === given);
    if (before === undefined) throw unknown(given, document.signers);
    if (before.revoked !== undefined) return document;
    const revoked = { at: new Date(now).toISOString(), reason };
    return {
      ...document,
      signers: document.signers.map((signer) =>
        signer === before ? { ...signer, revoked } : signer,
      ),
    };
  });
  const name = before?.name ?? given;
  return {
    exit: 0,
    document: { name, trust: trust.path, already: before?.revoked !== undefined },
    text: `${name}  revoked\n`,
    notes:
      before?.revoked === undefined
        ? ['none of its signatures counts any more, whenever it was made']
        : [`it was revoked at ${before.revoked.at} already: ${before.revoked.reason}`],
  };
};

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
    near === undefined ? 'caisson keys list shows who there is' : `did you mean ${near}?`,
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
