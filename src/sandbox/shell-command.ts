/** What a shell that stays is asked, and what it answers. */
import type { AdmissionReport } from '../core/admission.ts';
import type { CapturedOutput } from '../core/outcome.ts';

export interface ShellOptions {
  /** Default bash where the sandbox has it, else sh. */
  readonly program?: 'bash' | 'sh';
  /** Of each command and stream, kept; default 16 MiB. */
  readonly outputBytes?: number;
}

export interface ShellCommandOptions {
  /** Then the shell and everything it started is killed; the next command gets a new shell. Default: no limit of its own. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ShellOutcome {
  /** `ended`: the command ended the shell itself (`exit`, `exec`, a fatal signal). */
  readonly kind: 'exited' | 'ended' | 'timed-out' | 'killed';
  /** Exit status as `$?` has it; absent when it was timed out or killed. */
  readonly code?: number;
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** The shell's directory afterwards, where it is known. */
  readonly cwd?: string;
  /** Why the command could run, where the policy asked. */
  readonly admission?: AdmissionReport;
}

/**
 * Asked before each command; rejects where it may not run.
 *
 * @param earlier what the same shell ran before
 */
export type AdmitShellCommand = (
  command: string,
  earlier: string,
  cwd: string | undefined,
) => Promise<AdmissionReport | undefined>;
