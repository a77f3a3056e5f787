/**
 * What a manager needs of the Caisson that it manages sandboxes of; wired in compose.
 */
import type { Outcome } from '../../core/outcome.ts';
import type { Observer } from '../../core/ports.ts';
import type { Policy } from '../../policy/policy.ts';
import type { PlaceOptions } from '../place-options.ts';
import type { PolicyInput } from '../policy-book.ts';
import type { ExecOptions, Sandbox } from '../sandbox.ts';

export interface ManagerHost {
  run(argv: readonly string[], options: PlaceOptions & ExecOptions): Promise<Outcome>;
  create(options: PlaceOptions): Promise<Sandbox>;
  policy(input: PolicyInput): Promise<{ readonly policy: Policy; readonly digest: string }>;
  /** Keeps that many sandboxes ready for runs of this place; `command` absent: for sandboxes that stay. */
  keepReady(options: PlaceOptions, command: string | undefined, slots: number): Promise<void>;
  /** Starts the launcher if none runs, so that it is known before anything runs in it. */
  start(): Promise<void>;
  /** Process ids of the launchers that run now. */
  launchers(): readonly number[];
  /** Directory for state, not made yet. */
  readonly stateDirectory: string;
  readonly observer: Observer | undefined;
  /** The manager is closed. */
  onClose(): void;
}
