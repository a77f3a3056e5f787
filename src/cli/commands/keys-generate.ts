/** `caisson keys generate DIRECTORY`. */
import { generateKeyFiles } from '../../admission/signing/key-file.ts';
import { CaissonError } from '../../core/error.ts';
import type { Action } from '../command.ts';
import { PASSPHRASE_VARIABLE, passphraseFrom } from '../passphrase.ts';
import type { generateFlags } from '../signing-commands.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const action: Action<typeof generateFlags> = async ({
  flags,
  positionals: [directory = ''],
}) => {
  const name = flags.name ?? 'signing';
  if (!NAME.test(name)) {
    throw invalid(
      `${JSON.stringify(name)} cannot name a key`,
      'write 1 to 64 of A–Z, a–z, 0–9, `.`, `_` and `-`',
    );
  }
  const passphrase =
    flags.encrypt === true ? await newPassphrase(flags['passphrase-env']) : undefined;
  const made = generateKeyFiles(directory, name, passphrase);
  return {
    exit: 0,
    document: { ...made, encrypted: passphrase !== undefined },
    text: `${made.keyId}\nprivate key: ${made.privateKey}\npublic key: ${made.publicKey}\n`,
  };
};

/** Typed twice: nobody sees what was typed. */
async function newPassphrase(variable: string | undefined): Promise<string> {
  const first = await passphraseFrom(variable, 'Passphrase of the new key: ');
  const fromEnvironment = (process.env[variable ?? PASSPHRASE_VARIABLE] ?? '') !== '';
  const second = fromEnvironment ? first : await passphraseFrom(variable, 'The same again: ');
  if (first === second && first.length >= 8) return first;
  throw invalid(
    first === second ? 'the passphrase has less than 8 characters' : 'the two are not the same',
    'choose a longer one that you can type twice',
  );
}

function invalid(message: string, hint: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', { layer: 'cli', message, hint });
}
