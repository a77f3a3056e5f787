/** What a command is given, whichever sandbox it runs in. */
import type { TraceContext } from '../core/telemetry.ts';

export interface ExecOptions {
  /** Inside; default the workspace, else the guest's home. */
  readonly cwd?: string;
  /** Set for this command, over what the policy passes on and sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Wall-clock limit; never above the policy's own. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Where its spans belong, where telemetry is on; default: below what is active here. */
  readonly trace?: TraceContext;
}

export interface SpawnOptions extends Omit<ExecOptions, 'input'> {
  /** A terminal of this size; stdout and stderr are then one. */
  readonly pty?: { readonly rows: number; readonly columns: number };
  /** It does not keep this process alive. Default false. */
  readonly background?: boolean;
}
