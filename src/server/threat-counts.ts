/** What was found in the code of each tenant, counted by day: a database for each, written in batches. */
import { join } from 'node:path';
import type { AdmissionReport } from '../core/admission.ts';
import type { Observer } from '../core/ports.ts';
import { openStateDirectory } from '../sandbox/state-directory.ts';
import { type DatedOccurrence, type Occurrence, ThreatStore } from '../store/threat-store.ts';

const WRITE_EVERY_MS = 1000;

export class ThreatCounts {
  readonly #directory: string;
  readonly #onFault: (error: unknown) => void;
  readonly #stores = new Map<string, ThreatStore>();
  readonly #waiting = new Map<string, Occurrence[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(state: string, onFault: (error: unknown) => void) {
    this.#directory = openStateDirectory(join(state, 'threats'));
    this.#onFault = onFault;
  }

  /** Takes every decision about code; what nobody looked at is not counted. */
  readonly observer: Observer = (event) => {
    if (event.kind !== 'admission' || event.tenant === undefined) return;
    const { admission, tenant } = event;
    if (admission.score !== undefined) this.add(tenant, occurrencesOf(admission));
  };

  add(tenant: string, occurrences: readonly Occurrence[]): void {
    const waiting = this.#waiting.get(tenant) ?? [];
    waiting.push(...occurrences);
    this.#waiting.set(tenant, waiting);
    this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS).unref();
  }

  /** Oldest first. @throws STORE_UNUSABLE */
  since(tenant: string, sinceMs: number): DatedOccurrence[] {
    this.#write();
    return this.storeOf(tenant).occurrences(sinceMs);
  }

  close(): void {
    this.#write();
    for (const store of this.#stores.values()) store.close();
    this.#stores.clear();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [tenant, occurrences] of this.#waiting) {
      try {
        this.storeOf(tenant).record(occurrences, Date.now());
      } catch (error) {
        this.#onFault(error);
      }
    }
    this.#waiting.clear();
  }

  /** Where scans of a tenant keep what they found. @throws STORE_UNUSABLE */
  storeOf(tenant: string): ThreatStore {
    let store = this.#stores.get(tenant);
    if (store === undefined) {
      store = ThreatStore.open(join(this.#directory, `${tenant}.db`));
      this.#stores.set(tenant, store);
    }
    return store;
  }
}

function occurrencesOf({ findings = [], decision }: AdmissionReport): Occurrence[] {
  const refused = decision === 'refused' ? 1 : 0;
  const counted = findings.filter(({ score, waived }) => score > 0 && waived === undefined);
  const byFamily = Map.groupBy(counted, ({ family }) => family);
  const language = counted[0]?.rule.split('/', 1)[0] ?? '';
  return [
    { family: '', language, files: 1, findings: counted.length, refused },
    ...[...byFamily].map(([family, found]) => ({
      family,
      language: found[0]?.rule.split('/', 1)[0] ?? '',
      files: 1,
      findings: found.length,
      refused,
    })),
  ];
}
