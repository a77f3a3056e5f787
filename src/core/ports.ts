/**
 * What a layer needs of another that it may not import; wired in compose.
 */
import type { AdmissionReport } from './admission.ts';
import type { Outcome, Violation } from './outcome.ts';

/**
 * What happened, for an audit log or a monitor. `id` is the audit id of a run, or the id of a sandbox that stays;
 * `sandbox` is the sandbox that a run happened in, where it is one that stays.
 */
export type ObservedEvent = {
  readonly id: string;
  readonly sandbox?: string;
  readonly tenant?: string;
} & (
  | {
      /** A sandbox is about to be made, or taken. */
      readonly kind: 'created';
      readonly policy: string;
      readonly policyDigest: string;
      readonly wall: string;
      readonly accepted: readonly string[];
    }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'started'; readonly argv: readonly string[] }
  | { readonly kind: 'violation'; readonly violation: Violation }
  | { readonly kind: 'limit'; readonly limit: string }
  | { readonly kind: 'ended'; readonly argv: readonly string[]; readonly outcome: Outcome }
  /** Nothing of it is left: asked of the kernel by the launcher. */
  | { readonly kind: 'destroyed'; readonly leftBehind: number }
  | {
      readonly kind: 'network-changed';
      readonly policyDigest: string;
      readonly from: unknown;
      readonly to: unknown;
    }
  | {
      /** One connection or name that the guest asked for, allowed or not. */
      readonly kind: 'network';
      readonly target: string;
      readonly allowed: boolean;
      readonly rule: string;
      readonly details: Readonly<Record<string, unknown>>;
    }
  /** A threshold of the monitor was crossed. */
  | { readonly kind: 'alert'; readonly threshold: string; readonly value: number }
  | {
      /** It was decided whether code may run. Once for each decision, not for each execution that stands on it. */
      readonly kind: 'admission';
      /** What the code is called: a module's id and version, a file, a command. */
      readonly subject: string;
      readonly policyDigest?: string;
      readonly admission: AdmissionReport;
    }
  | {
      /** What became of a registered module. */
      readonly kind: 'module';
      readonly action: 'registered' | 'enabled' | 'disabled' | 'removed';
      /** `id@version` */
      readonly module: string;
      readonly digest: string;
    }
  | {
      /** Who may ask a service for what was changed. `id` is that of the request. */
      readonly kind: 'access';
      readonly action:
        | 'key-created'
        | 'key-rotated'
        | 'key-revoked'
        | 'tenant-created'
        | 'tenant-changed'
        | 'signer-trusted'
        | 'signer-revoked';
      /** Id of the key or the tenant, or name of the signer. */
      readonly subject: string;
      /** Who did it. */
      readonly by: string;
    }
  /** A state of a managed sandbox. */
  | { readonly kind: 'state'; readonly state: string; readonly reason?: string }
);

/** Told of everything that runs. Must not throw, and must not hold anything up. */
export type Observer = (event: ObservedEvent) => void;

/** Where records go that must not be lost: an audit log. */
export interface Recorder {
  readonly observer: Observer;
  /**
   * Asked before anything runs: waits while there is no room, rejects (AUDIT_UNAVAILABLE) when nothing can be recorded
   * any more, so that nothing runs unrecorded. Undefined means at once.
   */
  ready(): Promise<void> | undefined;
  /**
   * Asked where what happened is about to be told or to be forgotten: settles when it is recorded, or cannot be now, so
   * that nothing is held up for good. Absent means at once.
   */
  written?(): Promise<void> | undefined;
}
