/** Where the registry of trusted signers is, as a command line says it. */
import { TrustFile } from '../admission/signing/trust-file.ts';
import { defaultStateDirectory, openStateDirectory } from '../sandbox/state-directory.ts';

export function trustFileOf({ trust }: { readonly trust?: string }): TrustFile {
  return new TrustFile(trust ?? TrustFile.fileIn(defaultStateDirectory()));
}

/** The same, to be written: the state directory is made where it is missing. @throws PATH_ESCAPES */
export function writableTrustFile({ trust }: { readonly trust?: string }): TrustFile {
  return new TrustFile(trust ?? TrustFile.fileIn(openStateDirectory(defaultStateDirectory())));
}
