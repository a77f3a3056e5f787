/** What is told of a module that is stored. */
import type { AdmissionReport } from '../core/admission.ts';
import type { ModuleManifest, StoredModule } from '../store/module-record.ts';
import type { ModuleInfo } from './module-schemas.ts';

export function infoOf({ record, enabled }: StoredModule): ModuleInfo {
  const { manifest, interface: described, admission, registeredMs } = record;
  return {
    ...manifest,
    enabled,
    signed: signedness(manifest, admission),
    ...(described === undefined ? {} : { interface: described }),
    admission,
    registeredMs,
  };
}

/** By whom, and whether that is somebody who is trusted, `admission` says. */
function signedness(
  { signature, publicKey, signatures }: ModuleManifest,
  { signer }: AdmissionReport,
): ModuleInfo['signed'] {
  if (signer !== undefined) return 'verified';
  if (signature !== undefined) return publicKey === undefined ? 'unverified' : 'verified';
  return signatures === undefined ? 'no' : 'unverified';
}
