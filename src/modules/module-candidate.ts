/** A module as code that is to be admitted. */
import { commandCandidate } from '../admission/command-candidate.ts';
import type { Candidate } from '../core/admission.ts';
import type { ModuleManifest } from '../store/module-record.ts';
import { keyOf } from './module-errors.ts';

/** Of a command its words alone are here: scripts that it names are looked at when it is executed. */
export async function candidateOf(manifest: ModuleManifest, code: Uint8Array): Promise<Candidate> {
  const { kind, language, declares, limits, signatures, certificate, digest } = manifest;
  const claims = {
    limits,
    // A module without a manifest of effects declares none.
    declares: declares ?? [],
    ...(signatures === undefined ? {} : { signatures }),
    ...(certificate === undefined ? {} : { certificate: Buffer.from(certificate, 'base64') }),
  };
  const name = keyOf(manifest);
  if (kind === 'command') {
    const argv = JSON.parse(Buffer.from(code).toString()) as string[];
    const read = async (): Promise<'own'> => 'own';
    const asked = { argv, input: { unseen: true }, read } as const;
    return { ...(await commandCandidate(name, asked, claims)), digest };
  }
  const written = kind === 'wasm' ? 'wasm' : (language ?? 'javascript');
  return { name, language: written, digest, files: { [name]: code }, ...claims };
}
