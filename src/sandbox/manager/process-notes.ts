/**
 * Writes down which process is the init of what runs, so that who looks from outside (`caisson top`) can tell whose it is.
 * What ends before it is looked at is never asked for.
 */
import { identityOf } from '../../host/process-identity.ts';
import type { Entry } from './entry.ts';

const LOOK_EVERY_MS = 250;

export class ProcessNotes {
  /** @returns its process id; undefined where it is not made yet, or ended */
  readonly #processOf: (sandbox: string) => Promise<number | undefined>;
  readonly #unknown = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;
  #looks = false;

  constructor(processOf: (sandbox: string) => Promise<number | undefined>) {
    this.#processOf = processOf;
  }

  follow(entry: Entry): void {
    this.#unknown.add(entry);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#unknown.clear();
  }

  async #look(): Promise<void> {
    if (this.#looks) return;
    this.#looks = true;
    try {
      await Promise.all([...this.#unknown].map((entry) => this.#lookAt(entry)));
    } finally {
      this.#looks = false;
    }
    if (this.#unknown.size === 0) this.stop();
  }

  async #lookAt(entry: Entry): Promise<void> {
    const { sandbox } = entry.record;
    if (entry.isFinal || sandbox === undefined) {
      this.#unknown.delete(entry);
      return;
    }
    const pid = await this.#processOf(sandbox).catch(() => undefined);
    const process = pid === undefined ? undefined : identityOf(pid);
    if (process === undefined || entry.isFinal) return;
    this.#unknown.delete(entry);
    entry.note({ process });
  }
}
