/**
 * Contents of host files on both sides of an overlay, for comparing and showing them.
 */

import { isUtf8 } from 'node:buffer';
import { readSync, type Stats } from 'node:fs';
import type { Budget } from './budget.ts';

/** Above that a file is shown as one line, not as a diff. */
const TEXT_MAX = 1024 * 1024;
/** A file beyond that is not compared where it has holes. */
const HOLES_MAX = 1024 ** 3;
const PIECE = 256 * 1024;

/** A file that is open, and what was said of it then. */
export interface OpenFile {
  readonly fd: number;
  readonly stat: Pick<Stats, 'size' | 'blocks'>;
}

/** Nothing else runs on a thread while one is read. */
let whole: Buffer | undefined;

/** @returns undefined when it is not text, or too long to show @throws BeyondBudget */
export function textOf({ fd, stat }: OpenFile, budget: Budget): string | undefined {
  if (stat.size > TEXT_MAX) return undefined;
  whole ??= Buffer.allocUnsafeSlow(TEXT_MAX + 1);
  // Not as long as it was, but as it is: it may have become longer, and files of the kernel's own say that they are empty.
  let length = 0;
  while (length < whole.length) {
    const read = readSync(fd, whole, length, Math.min(PIECE, whole.length - length), length);
    if (read === 0) break;
    budget.text(read);
    length += read;
    if (whole.subarray(length - read, length).includes(0)) return undefined;
  }
  const bytes = whole.subarray(0, length);
  return length <= TEXT_MAX && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** @throws BeyondBudget */
export function sameBytes(a: OpenFile, b: OpenFile, budget: Budget): boolean {
  const { size } = a.stat;
  if (b.stat.size !== size) return false;
  // To read holes takes time that costs a guest nothing; nobody loses who takes them for changed.
  if (size > HOLES_MAX && (hasHoles(a.stat) || hasHoles(b.stat))) return false;
  budget.bytes(size);
  const length = Math.min(PIECE, size);
  const [one, two] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
  // No longer than they were: two guests could let both grow together.
  for (let at = 0; at < size; ) {
    const read = readSync(a.fd, one, 0, Math.min(length, size - at), at);
    if (readSync(b.fd, two, 0, read === 0 ? 1 : read, at) !== read) return false;
    if (read === 0) return true;
    if (!one.subarray(0, read).equals(two.subarray(0, read))) return false;
    at += read;
  }
  return true;
}

/** Blocks are of 512 bytes, whatever the file system's (stat(2)). */
export function hasHoles({ size, blocks }: OpenFile['stat']): boolean {
  return blocks * 512 < size;
}
