/**
 * What a manager needs of the Caisson that it manages sandboxes of; wired in compose.
 */
import type { RawUsage } from '../../backends/backend.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Recorder } from '../../core/ports.ts';
import type { Policy } from '../../policy/policy.ts';
import type { ExecOptions, SpawnOptions } from '../exec-options.ts';
import type { GuestProcess } from '../guest-process.ts';
import type { PlaceOptions } from '../place-options.ts';
import type { PolicyInput } from '../policy-book.ts';
import type { NetworkOptions } from '../run-network.ts';
import type { Sandbox } from '../sandbox.ts';
import type { PendingOptions } from '../settle-changes.ts';

export interface ManagerHost {
  /** @param id names the run in its outcome, in audit and live usage, and for what follows */
  run(
    argv: readonly string[],
    options: PlaceOptions & NetworkOptions & PendingOptions & ExecOptions,
    id: string,
  ): Promise<Outcome>;
  /** As {@link run}, with its streams. */
  spawn(
    argv: readonly string[],
    options: PlaceOptions & NetworkOptions & PendingOptions & SpawnOptions,
    id: string,
  ): Promise<GuestProcess>;
  /**
   * Stops a run where it stands, or lets it go on; settles once it does.
   *
   * @throws SANDBOX_CLOSED where none of that name has been given to a sandbox, or any more
   */
  freeze(id: string, frozen: boolean): Promise<void>;
  /** What a run or a sandbox uses, and the process id of its init; undefined where there is none of that name. */
  usage(id: string): Promise<RawUsage | undefined>;
  create(options: PlaceOptions & NetworkOptions): Promise<Sandbox>;
  policy(input: PolicyInput): Promise<{ readonly policy: Policy; readonly digest: string }>;
  /** Keeps that many sandboxes ready for runs of this place; `command` absent: for sandboxes that stay. */
  keepReady(options: PlaceOptions, command: string | undefined, slots: number): Promise<void>;
  /** Starts the launcher if none runs, so that it is known before anything runs in it. */
  start(): Promise<void>;
  /** Process ids of the launchers that run now. */
  launchers(): readonly number[];
  /** Directory for state, not made yet. */
  readonly stateDirectory: string;
  readonly recorder: Recorder | undefined;
  /** The manager is closed. */
  onClose(): void;
}
