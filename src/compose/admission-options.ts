/** What the checks of code of a Caisson stand on. */
import type { AdmissionParts } from '../admission/admission.ts';

export interface CaissonAdmissionOptions {
  /** File of the registry of trusted signers; default `trusted-signers.yaml` in the state directory. None: nobody is trusted. */
  readonly trust?: string;
  /** Another analysis than ours. Where it throws, hangs or answers nonsense, code is refused. */
  readonly analyze?: AdmissionParts['analyze'];
  /** Wall clock by which signers and waivers are valid, Unix ms; default the machine's. */
  readonly clock?: () => number;
  /** Of all checks of one piece of code, ms; default 30,000. */
  readonly timeLimitMs?: number;
}
