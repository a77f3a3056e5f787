/**
 * Contents of host files on both sides of an overlay, for comparing and showing them.
 */

import { readSync, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { Beneath } from './beneath.ts';
import type { Budget } from './budget.ts';

/** Above that a file is shown as one line, not as a diff. */
const TEXT_MAX = 1024 * 1024;
/** A file beyond that is not compared where it has holes. */
const HOLES_MAX = 1024 ** 3;
/** Most files are small. */
const FIRST = 8 * 1024;
const PIECE = 256 * 1024;

/** Text of a file; undefined when it is not text or too long to show. */
export async function textOf(directory: Beneath, name: string): Promise<string | undefined> {
  await using file = await directory.read(name);
  const bytes = await upTo(file, TEXT_MAX + 1);
  if (bytes.length > TEXT_MAX) return undefined;
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** However long it becomes meanwhile. */
async function upTo(file: FileHandle, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; at < most; ) {
    const buffer = Buffer.allocUnsafe(Math.min(at === 0 ? FIRST : PIECE, most - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return Buffer.concat(parts);
}

/** A file that is open, and what was said of it then. */
export interface OpenFile {
  readonly fd: number;
  readonly stat: Pick<Stats, 'size' | 'blocks'>;
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
