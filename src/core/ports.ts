/**
 * What a layer needs of another that it may not import; wired in compose.
 */
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
}

/** What a check of code says of it before it may run. */
export interface Verdict {
  /** `unchecked`: nobody looked. What is `refused` does not run. */
  readonly admission: 'unchecked' | 'admitted' | 'refused';
  /** Why, each in a sentence. */
  readonly reasons?: readonly string[];
}

/** Code that is to be admitted. */
export interface Candidate {
  readonly name: string;
  readonly kind: 'js' | 'wasm' | 'command';
  /** SHA-256 of the code, in hexadecimal. */
  readonly digest: string;
  readonly code: Uint8Array;
  /** PEM (SPKI) of the Ed25519 key that the code is signed with, where it is and the signature is right. */
  readonly signedBy?: string;
}

/** Asked once for what runs often. A rejection is a refusal. */
export type Admission = (candidate: Candidate) => Verdict | Promise<Verdict>;

/** Where nothing checks code yet. */
export const unchecked: Admission = () => ({ admission: 'unchecked' });
