/**
 * Lets old files go. Only whole ones, only the oldest, only when they verify and everybody has their checkpoints; and
 * the log says so before it happens, so that a file which is missing for another reason is found.
 */
import type { KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { AuditSettings } from './audit-options.ts';
import { ChainVerifier } from './chain-verifier.ts';
import { type LogFile, logFilesOf, readHeader } from './log-files.ts';

/** Records that are verified before the event loop has its turn again. */
const AT_ONCE = 5000;

export interface RetentionPort {
  /** Everybody has the checkpoints of so many records. */
  readonly through: number;
  /** Resolves when the record is on the disk. */
  readonly record: (event: 'retired' | 'held', details: Record<string, unknown>) => Promise<void>;
}

export class Retention {
  readonly #settings: AuditSettings;
  readonly #identity: {
    readonly key: KeyObject;
    readonly fingerprint: string;
    readonly log: string;
  };
  #running = false;
  /** A file that does not verify stays, and is told of once. */
  readonly #held = new Set<string>();

  constructor(
    settings: AuditSettings,
    identity: { readonly key: KeyObject; readonly fingerprint: string; readonly log: string },
  ) {
    this.#settings = settings;
    this.#identity = identity;
  }

  async run(port: RetentionPort): Promise<void> {
    if (this.#settings.keep === undefined || this.#running) return;
    this.#running = true;
    try {
      for (const [file, next] of this.#tooMany(port.through)) {
        if (this.#held.has(file.path)) return;
        const wrong = await this.#check(file);
        if (wrong !== undefined) {
          this.#held.add(file.path);
          await port.record('held', { file: file.path, reason: wrong });
          return;
        }
        const through = next.first - 1;
        await port.record('retired', { through, from: file.first });
        await rm(file.path);
        await rm(file.path.replace(/\.jsonl$/, '.psv'), { force: true });
      }
    } catch {
      // Tried again at the next turn; a file too many is no harm.
    } finally {
      this.#running = false;
    }
  }

  #tooMany(shipped: number): [file: LogFile, next: LogFile][] {
    const { keep, directory } = this.#settings;
    const files = logFilesOf(directory);
    const chosen: [LogFile, LogFile][] = [];
    for (const [index, file] of files.entries()) {
      const next = files[index + 1];
      // The last checkpoint of a file covers all but itself.
      if (next === undefined || next.first - 1 > shipped) break;
      const many = keep?.files !== undefined && files.length - index > keep.files;
      // A file's last record is as old as the next one's first.
      const since = BigInt(readHeader(next.path)?.record.ts ?? 0);
      const age = Number(BigInt(Date.now()) * 1_000_000n - since) / 1e9;
      const old = keep?.seconds !== undefined && age > keep.seconds;
      if (!many && !old) break;
      chosen.push([file, next]);
    }
    return chosen;
  }

  async #check(file: LogFile): Promise<string | undefined> {
    const verifier = new ChainVerifier({ ...this.#identity, maxFindings: 1 });
    let place = { offset: 0, line: 1 };
    for (let whole = false; !whole; ) {
      let count = 0;
      whole = verifier.read(file, false, place, () => ++count >= AT_ONCE);
      place = verifier.place;
      if (verifier.findings.length > 0) return verifier.findings[0]?.message;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return verifier.state().sinceCheckpoint === 0 ? undefined : 'it does not end with a checkpoint';
  }
}
