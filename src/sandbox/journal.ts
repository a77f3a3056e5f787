/**
 * What is recorded of the runs of one policy: each step once, in the order in which it happens.
 */
import type { CaissonError } from '../core/error.ts';
import type { Outcome, Violation } from '../core/outcome.ts';
import type { ObservedEvent, Recorder } from '../core/ports.ts';
import type { NetworkDecision } from '../network/decision-log.ts';
import type { NetworkPolicy } from '../policy/policy.ts';

/** What is the same for every run of it. */
export interface JournalSubject {
  readonly policy: string;
  readonly policyDigest: string;
  readonly wall: string;
  readonly tenant?: string;
}

/** A run, or a sandbox that stays; `sandbox` where a run happens in one. */
export interface Entry {
  readonly id: string;
  readonly sandbox?: string;
}

export class Journal {
  readonly #recorder: Recorder;
  readonly #subject: JournalSubject;

  constructor(recorder: Recorder, subject: JournalSubject) {
    this.#recorder = recorder;
    this.#subject = subject;
  }

  /** @throws AUDIT_UNAVAILABLE */
  async ready(): Promise<void> {
    await this.#recorder.ready();
  }

  /** @param wall where it is not the subject's */
  created(entry: Entry, accepted: readonly string[], wall: string = this.#subject.wall): void {
    const { policy, policyDigest } = this.#subject;
    this.#tell(entry, { kind: 'created', policy, policyDigest, wall, accepted });
  }

  started(entry: Entry, argv: readonly string[]): void {
    this.#tell(entry, { kind: 'started', argv });
  }

  ended(entry: Entry, argv: readonly string[], outcome: Outcome): void {
    this.violations(entry, outcome.violations);
    for (const limit of outcome.limitsHit) this.#tell(entry, { kind: 'limit', limit });
    this.#tell(entry, { kind: 'ended', argv, outcome });
  }

  violations(entry: Entry, violations: readonly Violation[]): void {
    for (const violation of violations) this.#tell(entry, { kind: 'violation', violation });
  }

  /** A name, connection or request of the guest, at the moment at which it was decided. */
  network(entry: Entry, decision: NetworkDecision): void {
    const { target, allowed, rule, reason, count, details } = decision;
    this.#tell(entry, {
      kind: 'network',
      target,
      allowed,
      rule,
      details: { ...details, reason, count },
    });
  }

  networkChanged(entry: Entry, from: NetworkPolicy, to: NetworkPolicy): void {
    const { policyDigest } = this.#subject;
    this.#tell(entry, { kind: 'network-changed', policyDigest, from, to });
  }

  /** The launcher reports an end only when the kernel says that nothing is left of the sandbox. */
  destroyed(entry: Entry, leftBehind: number): void {
    this.#tell(entry, { kind: 'destroyed', leftBehind });
  }

  refused(entry: Entry, { code, message }: CaissonError): void {
    this.#tell(entry, { kind: 'refused', code, message });
  }

  #tell(entry: Entry, event: DistributiveOmit<ObservedEvent, 'id' | 'sandbox' | 'tenant'>): void {
    const { tenant } = this.#subject;
    const about = tenant === undefined ? entry : { ...entry, tenant };
    this.#recorder.observer({ ...event, ...about });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
