/**
 * What a layer needs of another that it may not import; wired in compose.
 */
import type { Outcome } from './outcome.ts';

/** What happened, for an audit log or a monitor. */
export type ObservedEvent =
  | {
      readonly kind: 'run';
      readonly id: string;
      readonly argv: readonly string[];
      readonly outcome: Outcome;
    }
  | {
      readonly kind: 'refused';
      readonly id: string;
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly kind: 'sandbox-opened' | 'sandbox-closed';
      readonly id: string;
      readonly policyDigest: string;
    };

/** Told of everything that runs. Must not throw, and must not hold anything up. */
export type Observer = (event: ObservedEvent) => void;
