/**
 * Bytes that were uploaded into a sandbox, on its tenant's account `workspaceBytes` until the sandbox ends, or they are
 * replaced or removed by a request. What the guest itself writes is its policy's matter.
 */
import type { Lease } from './security/quotas.ts';

/** Of single files that are remembered; more are counted together, and given back with the sandbox. */
const MOST_FILES = 10_000;

export class UploadAccount {
  readonly #lease: Lease;
  readonly #files = new Map<string, number>();
  #total = 0;

  /** @param lease of nothing yet; it is the account's from now on */
  constructor(lease: Lease) {
    this.#lease = lease;
  }

  /**
   * @param path absolute, inside; of a tree with a slash at its end
   * @param existing what becomes of what is there: docs of `writeFile`
   */
  begin(
    path: string,
    existing: 'replaced' | 'overwritten' | 'appended' = path.endsWith('/')
      ? 'appended'
      : 'replaced',
  ): Upload {
    let bytes = 0;
    let isDone = false;
    /** @throws SANDBOX_CLOSED where the sandbox has ended meanwhile */
    const grow = (to: number): void => {
      this.#lease.resize({ workspaceBytes: this.#total + to - bytes });
      this.#total += to - bytes;
      bytes = to;
    };
    return {
      count: grow,
      done: () => {
        isDone = true;
        const before = this.#files.get(path) ?? 0;
        // What was in a tree stays; a file takes the place of what was there.
        const kept = existing === 'appended' ? before + bytes : bytes;
        this.#shrink(before + bytes - kept);
        if (this.#files.size < MOST_FILES || this.#files.has(path)) this.#files.set(path, kept);
      },
      failed: () => {
        // What is there counts, whatever goes wrong behind it: a guest can see to that, by taking the file away.
        if (!isDone && existing === 'replaced' && !this.#lease.isReleased) grow(0);
      },
    };
  }

  /** With everything below. */
  removed(path: string): void {
    for (const [name, bytes] of this.#files) {
      if (name !== path && !name.startsWith(`${path}/`)) continue;
      this.#files.delete(name);
      this.#shrink(bytes);
    }
  }

  moved(from: string, to: string): void {
    for (const [name, bytes] of [...this.#files]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      this.#files.delete(name);
      const there = `${to}${name.slice(from.length)}`;
      this.#shrink(this.#files.get(there) ?? 0);
      this.#files.set(there, bytes);
    }
  }

  release(): void {
    this.#lease.release();
  }

  #shrink(bytes: number): void {
    this.#total -= bytes;
    if (!this.#lease.isReleased) this.#lease.resize({ workspaceBytes: this.#total });
  }
}

export interface Upload {
  /** So many so far. @throws QUOTA_EXCEEDED; SANDBOX_CLOSED where its sandbox has ended */
  count(bytes: number): void;
  done(): void;
  /** Nothing of it is there, unless it was done before; of a tree, and of what is written where it stands, what came is. */
  failed(): void;
}
