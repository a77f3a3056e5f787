/** The registry of trusted signers of the service: the same that decides in front of every run. */
import { TrustFile } from '../admission/signing/trust-file.ts';
import type { Service } from './service.ts';

export function trustFileOf({ config, state }: Pick<Service, 'config' | 'state'>): TrustFile {
  return new TrustFile(config.trust.file ?? TrustFile.fileIn(state));
}
