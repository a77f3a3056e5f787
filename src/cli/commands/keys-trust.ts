/** `caisson keys trust NAME`. */
import { dirname, relative, resolve } from 'node:path';
import { withEntry } from '../../admission/signing/change-trust.ts';
import { readPublicKeyFile } from '../../admission/signing/key-file.ts';
import { parsePublicKey, publicKeyPem } from '../../admission/signing/key-text.ts';
import { trustMaterial } from '../../admission/signing/sigstore.ts';
import type { GroupDocument, SignerDocument } from '../../admission/signing/trust-document.ts';
import { CaissonError } from '../../core/error.ts';
import type { Action, FlagValues } from '../command.ts';
import { readWhole } from '../signed-code.ts';
import type { trustFlags } from '../signing-commands.ts';
import { writableTrustFile } from '../trust-place.ts';

type Values = FlagValues<typeof trustFlags>;

export const action: Action<typeof trustFlags> = async ({ flags, positionals: [name = ''] }) => {
  const trust = writableTrustFile(flags);
  const entry =
    flags.of === undefined ? signerOf(name, flags, trust.path) : groupOf(name, flags.of, flags);
  const registry = trust.update(Date.now(), (document) =>
    withEntry(document, entry, flags.replace === true),
  );
  const signer = registry.signers.find((each) => each.name === name);
  const what =
    'of' in entry
      ? `${entry.threshold} of ${entry.of.join(', ')}`
      : (signer?.keyId ?? entry.sigstore?.subject);
  return {
    exit: 0,
    document: {
      name,
      trust: trust.path,
      ...(signer?.keyId === undefined ? {} : { keyId: signer.keyId }),
    },
    text: `${name}  ${what}\n`,
    notes: [`trusted by ${trust.path}`],
  };
};

function signerOf(name: string, flags: Values, path: string): SignerDocument {
  const { key, issuer, subject, root, from, until } = flags;
  const scope = {
    ...(flags.ids === undefined ? {} : { ids: [...flags.ids] }),
    ...(flags.kinds === undefined ? {} : { kinds: [...flags.kinds] }),
    ...(flags.walls === undefined ? {} : { walls: [...flags.walls] }),
  } as NonNullable<SignerDocument['scope']>;
  const rest = {
    ...(Object.keys(scope).length === 0 ? {} : { scope }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
  if (flags.threshold !== undefined) throw invalid('--threshold is for a group', 'give --of NAME');
  if (key !== undefined) {
    if (issuer !== undefined || subject !== undefined || root !== undefined) {
      throw invalid(
        'it is a key or an identity of Sigstore, not both',
        'leave --key or --issuer out',
      );
    }
    return { name, key: publicKeyPem(parsePublicKey(readPublicKeyFile(key))), ...rest };
  }
  if (issuer === undefined || subject === undefined || root === undefined) {
    throw invalid(
      'there is no key',
      'give --key FILE; or --issuer, --subject and --root; or --of for a group',
    );
  }
  trustMaterial(readWhole(root, 2 ** 20).toString());
  const home = dirname(path);
  const inside = relative(home, resolve(root));
  return {
    name,
    sigstore: { issuer, subject, root: inside.startsWith('..') ? resolve(root) : inside },
    ...rest,
  };
}

function groupOf(name: string, of: readonly string[], flags: Values): GroupDocument {
  const { key, issuer, ids, threshold } = flags;
  if (key !== undefined || issuer !== undefined)
    throw invalid('a group has no key', 'leave --key out');
  const members = of.flatMap((each) => each.split(',')).filter((each) => each !== '');
  return {
    name,
    of: members,
    threshold: threshold === undefined ? members.length : Number(threshold),
    ...(ids === undefined ? {} : { ids: [...ids] }),
  };
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
