/** `caisson sign`. */

import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { keyIdOf } from '../../admission/signing/ed25519.ts';
import { readPrivateKeyFile } from '../../admission/signing/key-file.ts';
import { isEncrypted, parsePrivateKey } from '../../admission/signing/key-text.ts';
import { signCode } from '../../admission/signing/sign-statement.ts';
import {
  PREDICATE_TYPE,
  predicateSchema,
  type SignedPredicate,
  statementBytes,
  subjectName,
} from '../../admission/signing/statement.ts';
import { CaissonError } from '../../core/error.ts';
import { safeParse } from '../../core/safe-parse.ts';
import type { Action, FlagValues } from '../command.ts';
import { passphraseFrom } from '../passphrase.ts';
import { declaredBy, limitsOf, namedCode, readWhole } from '../signed-code.ts';
import type { signFlags } from '../signing-commands.ts';

const ENVELOPE_MAX = 2 ** 20;

export const action: Action<typeof signFlags> = async ({ flags, positionals: [file], argv }) => {
  const { digest, ...subject } = namedCode(flags, file, argv);
  const predicate = predicateOf(subject, flags);
  if (flags.unsigned === true) {
    const statement = JSON.parse(statementBytes(digest, predicate).toString()) as object;
    return {
      exit: 0,
      document: statement,
      text: `${JSON.stringify(statement)}\n`,
      notes: [`predicate type ${PREDICATE_TYPE}, subject name ${subjectName(predicate)}`],
    };
  }
  const key = await keyOf(flags);
  const out = flags.out ?? (file === undefined ? undefined : `${file}.sig`);
  if (out === undefined) throw invalid('there is no file to write beside', 'give --out FILE');
  const beside =
    flags.replace !== true && existsSync(out) ? readWhole(out, ENVELOPE_MAX) : undefined;
  const envelope = signCode(digest, predicate, key, beside?.toString());
  writeAtomically(out, `${JSON.stringify(envelope)}\n`);
  const keyId = keyIdOf(key);
  const name = subjectName(predicate);
  return {
    exit: 0,
    document: {
      file: out,
      name,
      kind: predicate.kind,
      digest,
      keyId,
      signatures: envelope.signatures.length,
    },
    text: `${name}  ${predicate.kind}  sha256:${digest}\nsigned with ${keyId}: ${out}\n`,
  };
};

function predicateOf(
  subject: Pick<SignedPredicate, 'id' | 'version' | 'kind'>,
  flags: FlagValues<typeof signFlags>,
): SignedPredicate {
  const declares = declaredBy(flags.declares);
  const limits = limitsOf(flags);
  const parsed = safeParse(predicateSchema, {
    ...subject,
    ...(declares === undefined ? {} : { declares }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  });
  if (parsed.success) return parsed.data;
  const { path = [], message = '' } = parsed.error.issues[0] ?? {};
  throw invalid(
    `${path.join('.')}: ${message}`,
    'give --id and --module-version; see caisson sign --help',
  );
}

async function keyOf(flags: FlagValues<typeof signFlags>) {
  if (flags.key === undefined) {
    throw invalid(
      'there is no key to sign with',
      'give --key FILE; caisson keys generate DIRECTORY makes one',
    );
  }
  const text = readPrivateKeyFile(flags.key);
  const passphrase = isEncrypted(text)
    ? await passphraseFrom(flags['passphrase-env'], `Passphrase of ${flags.key}: `)
    : undefined;
  return parsePrivateKey(text, passphrase);
}

function writeAtomically(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`;
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new CaissonError('PATH_MISSING', {
      layer: 'cli',
      message: `${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}`,
      hint: 'give --out FILE',
      cause,
    });
  }
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
