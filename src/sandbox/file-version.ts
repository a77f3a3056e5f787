/** Which version of a file is there: another one after every change, as far as the kernel tells of it (inode(7)). */
import type { FilesEntry } from '../backends/backend.ts';

export interface FileVersion {
  /** By inode, size and time of change (ctime), which no guest can set. */
  readonly id: string;
  /**
   * Whether any later change is sure to make another one. Changes are dated by a clock that goes on every few milliseconds:
   * within one of its ticks two of them may look alike.
   */
  readonly isSettled: boolean;
}

/** @returns undefined where the launcher does not tell what it takes */
export function versionOf(entry: FilesEntry): FileVersion | undefined {
  const { inode, size, ctimeNs, clockNs } = entry;
  if (inode === undefined || ctimeNs === undefined || clockNs === undefined) return undefined;
  const id = [BigInt(size), inode, ctimeNs].map((each) => each.toString(36)).join('-');
  return { id, isSettled: clockNs > ctimeNs };
}
