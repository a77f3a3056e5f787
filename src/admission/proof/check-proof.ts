/**
 * Whether a certificate `wasm-pcc/v1` is true of a module. This file and checker/ are all that has to be trusted beside
 * the engine: they import nothing of the prover, nor of src/wasm. The rules and why they hold: docs/proof.md.
 */
import { createHash } from 'node:crypto';
import type { CheckedProof } from '../../core/admission.ts';
import { Bytes } from './checker/bytes.ts';
import { type Certificate, parseCertificate } from './checker/certificate.ts';
import { ModuleCheck } from './checker/module.ts';
import { type Obligation, Violation, violated } from './checker/violation.ts';

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
    new ModuleCheck(new Bytes(module), claims).check();
    if (!engine.validate(module)) violated('types', 0, 'the engine does not take the module');
    return { ok: true, proof: { format: 'wasm-pcc/v1', subject, bounds: boundsOf(claims) } };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    const { obligation, offset, message } = error;
    return { ok: false, obligation, offset, message };
  }
}

function boundsOf({ imports, memories, tables, stack, functions, exports }: Certificate) {
  const isOf = (kind: string) =>
    imports.flatMap(([, , type]) => (type.startsWith(kind) ? [type] : []));
  const imported = isOf('function').length;
  const known = exports.flatMap(([name, what]) => {
    const fuel = functions[Number(what.replace('function ', '')) - imported]?.[2] ?? 0;
    return fuel > 0 ? [[`fuel of ${name}`, `${fuel}`]] : [];
  });
  const most = (limits: readonly string[]) =>
    limits.map((each) => each.split('..')[1]).join(' + ') || '0';
  return {
    memoryPages: most([...memories, ...isOf('memory')]),
    tableElements: most([...tables, ...isOf('table')]),
    countedSlots: `${stack.counted}`,
    uncountedSlots: `${stack.uncounted}`,
    ...Object.fromEntries(known),
  };
}
