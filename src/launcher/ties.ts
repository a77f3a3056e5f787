/**
 * What ties a run, or a sandbox that stays, to whoever asked for it, beside its frames.
 */
import type { OnDial } from './dials.ts';
import type { OnNetwork } from './network-handles.ts';

export interface Ties {
  /** Aborted, it ends the run, which rejects with ABORTED once the guest is gone. */
  readonly signal?: AbortSignal;
  /** Aborted, it ends the run for a violation that was seen from outside: the outcome is `denied`. */
  readonly denied?: AbortSignal;
  /** Called once where the plan has a network, with its sockets; without it they are closed, and nothing passes. */
  readonly onNetwork?: OnNetwork;
  /** Given at once: how to reach ports inside. */
  readonly onDial?: OnDial;
  /** It does not keep this process alive. */
  readonly background?: boolean;
  /** In a sandbox that stays: where that ends before the command begins, it is closed, and nothing is wrong. */
  readonly inSandbox?: boolean;
  /** What a monitor calls it. */
  readonly name?: string;
  /** Of the plan that it is of: rejects where the launcher has not taken that. */
  readonly planned?: Promise<void>;
}

/** Where the launcher has not taken the plan, that is why; its answer to a job only says that there is no plan. */
export function explain(
  error: Error,
  planned: Promise<void> | undefined,
  tell: (error: Error) => void,
): void {
  if (planned === undefined) tell(error);
  else planned.then(() => tell(error), tell);
}
