/**
 * What a run happens behind and on.
 */
import type { Candidate } from '../core/admission.ts';
import type { TraceContext } from '../core/telemetry.ts';
import type { PolicyInput } from './policy-book.ts';

/** Whose code it is, and what it says of itself. */
export interface CodeClaims
  extends Pick<Candidate, 'signatures' | 'certificate' | 'declares' | 'limits'> {
  /** The id that it was signed as; default the name of its entry, or of its program. */
  readonly name?: string;
}

export interface PlaceOptions {
  /** Default: level `strict`. */
  readonly policy?: PolicyInput;
  /** A host directory, `$workspace` of the policy; default none. */
  readonly workspace?: string;
  /** Ids of what this host cannot enforce and the caller goes on without. */
  readonly accept?: readonly string[];
  /** Must stand beside level `none`. */
  readonly allowUnisolated?: boolean;
  /** Runs of one tenant may use each other's emptied network namespaces; runs of different ones never. */
  readonly tenant?: string;
  /** What vouches for the code, where the policy asks. */
  readonly claims?: CodeClaims;
  /** Where its spans belong, where telemetry is on; default: below what is active here. */
  readonly trace?: TraceContext;
}
