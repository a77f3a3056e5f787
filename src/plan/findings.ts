/**
 * What compiling one concern brings to light, collected in the order in which `explain` shows it.
 */
import type { Enforcement, Unenforceable } from './plan.ts';

/** The attacks that stand in test/escape, one file each. */
export const escapeTests = [
  'terminal-injection',
  'launcher-overwrite',
  'leaked-descriptors',
  'mount-race',
  'false-proc-dev',
  'supplementary-groups',
  'join-sandbox',
  'capabilities',
  'setuid',
  'predictable-tmp',
  'option-injection',
  'syscall-filter',
  'cross-sandbox',
  'planted-links',
  'host-paths',
  'policy-in-guest',
  'cgroup-escape',
  'pointer-arguments',
  'slot-reuse',
  'staged-workspace',
  'resource-exhaustion',
  'network-none',
  'network-packets',
  'network-filtered',
  'violations',
  'side-channels',
  'secrets-redacted',
  'network-internal',
  'network-udp',
  'secret-holder',
  'admission',
] as const;
export type EscapeTest = (typeof escapeTests)[number];

export class Findings {
  readonly #enforced: Enforcement[] = [];
  readonly #unenforceable: Unenforceable[] = [];
  readonly #notes: string[] = [];

  /** `mechanisms` that are false are not there on this host and fall out. */
  enforce(
    clause: string,
    value: string,
    mechanisms: readonly (string | false)[],
    test: EscapeTest,
  ): void {
    this.#enforced.push({
      clause,
      value,
      mechanisms: mechanisms.filter((mechanism) => mechanism !== false),
      test: `test/escape/${test}.test.ts`,
    });
  }

  cannot(item: Unenforceable): void {
    this.#unenforceable.push(item);
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  result(): {
    enforced: readonly Enforcement[];
    unenforceable: readonly Unenforceable[];
    notes: readonly string[];
  } {
    return {
      enforced: this.#enforced,
      unenforceable: this.#unenforceable,
      notes: this.#notes,
    };
  }
}
