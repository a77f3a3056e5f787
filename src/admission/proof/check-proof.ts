/**
 * Whether a certificate `wasm-pcc/v1` is true of a module: the rules are here and in checker/, the binary format is read
 * by src/wasm, and nothing is imported from the prover. The rules and why they hold: docs/proof.md.
 */
import { createHash } from 'node:crypto';
import type { CheckedProof } from '../../core/admission.ts';
import { isCaissonError } from '../../core/error.ts';
import { StrictReader } from '../../wasm/strict-reader.ts';
import { parseCertificate } from './checker/certificate.ts';
import { checkModule } from './checker/module.ts';
import { type Obligation, Violation, violated } from './checker/violation.ts';
import { statedBounds } from './stated-bounds.ts';

export type ProofCheck =
  | { readonly ok: true; readonly proof: CheckedProof }
  | {
      readonly ok: false;
      /** The first that is violated. */
      readonly obligation: Obligation;
      /** Bytes from the beginning of the module; of the certificate where the obligation is `certificate`. */
      readonly offset: number;
      readonly message: string;
    };

const engine = (globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } })
  .WebAssembly;

/** Takes any bytes, in time linear in them; throws for none. */
export function checkProof(module: Uint8Array, certificate: Uint8Array): ProofCheck {
  try {
    const claims = parseCertificate(certificate);
    const subject = createHash('sha256').update(module).digest('hex');
    if (subject !== claims.subject) violated('subject', 0, `the module's digest is ${subject}`);
    checkModule(new StrictReader(module), claims);
    if (!engine.validate(module)) violated('types', 0, 'the engine does not take the module');
    return { ok: true, proof: { format: 'wasm-pcc/v1', subject, bounds: statedBounds(claims) } };
  } catch (error) {
    const { message } = error as Error;
    // The format's readers say themselves what is wrong, and where.
    if (isCaissonError(error) && error.layer === 'wasm')
      return { ok: false, obligation: 'structure', offset: Number(error.details.offset), message };
    if (!(error instanceof Violation)) throw error;
    return { ok: false, obligation: error.obligation, offset: error.offset, message };
  }
}
