/** What the caller of a run says for its code, completed by what is known of the run. */
import type { WasmOptions } from '../backends/program.ts';
import type { Candidate } from '../core/admission.ts';
import type { Policy } from '../policy/policy.ts';
import type { EvaluateLimits } from '../sandbox/evaluator.ts';
import type { CodeClaims, PlaceOptions } from '../sandbox/place-options.ts';

/** The certificate that an engine is given is what vouches for the module, too; a signature may bound the limits. */
export interface Certified extends EvaluateLimits {
  readonly wasm?: Pick<WasmOptions, 'certificate'>;
}

export function isPlain({ claims, wasm }: PlaceOptions & Certified): boolean {
  return claims === undefined && wasm?.certificate === undefined;
}

export function claimsOf({ claims, wasm }: PlaceOptions & Certified): CodeClaims {
  const certificate = claims?.certificate ?? wasm?.certificate;
  return { ...claims, ...(certificate === undefined ? {} : { certificate }) };
}

/** What is not limited is not said. */
export function limitsOfCommand(
  { limits }: Policy,
  timeoutMs: number | undefined,
): NonNullable<Candidate['limits']> {
  const wallMs = Math.min(timeoutMs ?? Infinity, limits.wallMs ?? Infinity);
  return {
    ...(wallMs === Infinity ? {} : { timeoutMs: wallMs }),
    ...(limits.cpuMs === null ? {} : { cpuMs: limits.cpuMs }),
    ...(limits.memoryBytes === null ? {} : { memoryBytes: limits.memoryBytes }),
  };
}
