/** The last violations of each sandbox and run, for whoever asks after them; the audit log has them all. */
import type { Violation } from '../core/outcome.ts';
import type { ObservedEvent, Observer } from '../core/ports.ts';

const MOST_EACH = 256;
/** Of sandboxes and runs; those that were quiet for longest are forgotten first. */
const MOST_SANDBOXES = 2000;
/** Paths and arguments are the guest's to make long. */
const LONGEST = 1024;

export interface LoggedViolation {
  readonly atMs: number;
  /** Audit id of the command, where it is one of a sandbox that stays. */
  readonly run: string | undefined;
  readonly violation: Violation;
}

export interface Logged {
  readonly items: readonly LoggedViolation[];
  readonly dropped: number;
}

export class ViolationLog {
  readonly #logs = new Map<string, { items: LoggedViolation[]; dropped: number }>();

  /** For `Caisson.open`. */
  readonly observer: Observer = (event: ObservedEvent): void => {
    if (event.kind !== 'violation') return;
    const { id, sandbox, violation } = event;
    const whose = sandbox ?? id;
    const log = this.#logs.get(whose) ?? { items: [], dropped: 0 };
    const run = sandbox === undefined ? undefined : id;
    log.items.push({ atMs: Date.now(), run, violation: shortened(violation) });
    if (log.items.length > MOST_EACH) {
      log.items.shift();
      log.dropped += 1;
    }
    // Anew, at the end: the order is that of their last violation.
    this.#logs.delete(whose);
    this.#logs.set(whose, log);
    if (this.#logs.size > MOST_SANDBOXES) {
      const [oldest = ''] = this.#logs.keys();
      this.#logs.delete(oldest);
    }
  };

  /** @param sandbox its name in audit and events */
  of(sandbox: string | undefined): Logged {
    return this.#logs.get(sandbox ?? '') ?? { items: [], dropped: 0 };
  }
}

function shortened(violation: Violation): Violation {
  const { reason, target } = violation;
  return {
    ...violation,
    reason: reason.slice(0, LONGEST),
    ...(target === undefined ? {} : { target: target.slice(0, LONGEST) }),
  };
}
