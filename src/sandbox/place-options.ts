/**
 * What a run happens behind and on.
 */
import type { PolicyInput } from './policy-book.ts';

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
}
