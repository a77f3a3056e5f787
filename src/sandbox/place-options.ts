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
  /** Whose run it is: what is kept for later runs (sandboxes, hosts, namespaces) is never another tenant's. */
  readonly tenant?: string;
  /**
   * A run without network may get the emptied network namespace of an earlier one of the same `tenant`, policy and
   * workspace, which is faster; without a tenant it never does. Default false: a new one each.
   */
  readonly recycleNetwork?: boolean;
  /** What vouches for the code, where the policy asks. */
  readonly claims?: CodeClaims;
  /** Where its spans belong, where telemetry is on; default: below what is active here. */
  readonly trace?: TraceContext;
}
