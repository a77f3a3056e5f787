/** What clients of the service were told, and must find to be so afterwards. */

export const TENANTS = ['acme', 'globex'] as const;
export type Tenant = (typeof TENANTS)[number];

export interface ToldSandbox {
  readonly id: string;
  readonly tenant: Tenant;
  /** Which start of the service made it. */
  readonly start: number;
  /** Somebody asked for its end, or it was told to have ended: the next start need not know it. */
  mayBeForgotten: boolean;
}

/** A command that leaves a line in a file of its own each time that it is run. */
export interface OnceOnly {
  readonly tenant: Tenant;
  readonly key: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** File in the directory of marks; none: what it does cannot be counted. */
  readonly mark: string | undefined;
  /** The first answer that arrived whole. */
  answer: { readonly status: number; readonly text: string } | undefined;
}

export interface ToldPolicy {
  readonly tenant: Tenant;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
}

export interface ToldModule {
  readonly tenant: Tenant;
  readonly id: string;
  readonly version: string;
  readonly digest: string;
  /** What it makes of 20. */
  readonly returns: number;
}

export interface ToldKey {
  readonly tenant: Tenant;
  readonly id: string;
  /** `unknown`: what was asked for last was not answered. */
  state: 'valid' | 'revoked' | 'unknown';
  token: string;
  /** Secrets that it had before, without a time in which both were good. */
  readonly old: string[];
}

/** A record that must be in the log. */
export interface ToldRecord {
  readonly event: string;
  /** `run` of the record, or a text that it holds. */
  readonly about: string;
  /** When it was told, by the clock of performance.now(). */
  readonly toldMs: number;
}

export class Ledger {
  readonly sandboxes: ToldSandbox[] = [];
  readonly onces: OnceOnly[] = [];
  readonly policies: ToldPolicy[] = [];
  readonly modules: ToldModule[] = [];
  readonly keys: ToldKey[] = [];
  readonly records: ToldRecord[] = [];
  /** Answers by operation and what they came to. */
  readonly counts: Record<string, number> = {};
  /** What must not have been. */
  readonly wrong: string[] = [];

  /** Of something that was answered: the log has it, too. */
  record(event: string, about: string): void {
    this.records.push({ event, about, toldMs: performance.now() });
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  blame(what: string): void {
    this.wrong.push(what);
  }
}
