/**
 * ETags of files (RFC 9110, 8.8.3). A strong one is told only once every later change is sure to make another, as git does with
 * what is "racily clean": who sends it back with `If-Match` writes over nothing that was not seen.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FileInfo, SandboxFiles } from '../../sandbox/files.ts';
import { isKnown } from '../http/answer.ts';

/** Most kernels date changes anew each 4 ms, none less often than each 10 ms (CONFIG_HZ). */
const LOOK_AGAIN_MS = 1;
/** Of a file that is changed all the time, or lies on a file system whose clock is ahead. */
const PATIENCE_MS = 50;

/** What of the files of a sandbox is asked here. */
export type Versions = Pick<SandboxFiles, 'statVersion'>;

export class FileTag {
  readonly info: FileInfo;
  /** The strong one, which is told only where it is settled. */
  readonly #strong: string;
  readonly #isSettled: boolean;

  private constructor(info: FileInfo, strong: string, isSettled: boolean) {
    this.info = info;
    this.#strong = strong;
    this.#isSettled = isSettled;
  }

  /** As it is at this moment. */
  static async now(files: Versions, path: string, follow = false): Promise<FileTag> {
    const { info, version } = await files.statVersion(path, { follow });
    return new FileTag(info, `"${version.id}"`, version.isSettled);
  }

  /** To be told: of a file that was changed just now, once that is a tick ago. */
  static async settled(files: Versions, path: string, follow = false): Promise<FileTag> {
    const since = performance.now();
    for (;;) {
      const tag = await FileTag.now(files, path, follow);
      if (tag.#isSettled || performance.now() - since >= PATIENCE_MS) return tag;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** A weak one is matched by no `If-Match` and no `If-Range`. */
  get text(): string {
    return this.#isSettled ? this.#strong : `W/${this.#strong}`;
  }

  /**
   * Whether a header names it, or `*`. What was told as strong was settled then: is it the same now, nothing was changed. Of
   * a weak one that cannot be said.
   */
  isAmong(header: string): boolean {
    const named = header.split(',').map((each) => each.trim());
    return named.includes('*') || named.includes(this.#strong);
  }

  /** As `If-Range` asks. */
  isExactly(header: unknown): boolean {
    return header === this.#strong;
  }

  /** Of a write that must not go over it, where a weak one is reason enough (RFC 9110, 13.1.2). */
  mayBeAmong(header: string): boolean {
    return isKnown(header, this.#strong);
  }
}
