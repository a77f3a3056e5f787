/**
 * Contents of host files on both sides of an overlay, for comparing and showing them.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Beneath } from './beneath.ts';

/** Above that a file is shown as one line, not as a diff. */
const TEXT_MAX = 1024 * 1024;
const PIECE = 256 * 1024;

/** Whether both sides hold the same file or link. */
export async function sameFile(
  upper: Beneath,
  lower: Beneath,
  path: string,
  type: 'file' | 'link' | 'directory' | 'special',
): Promise<boolean> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  await using up = await upper.parentOf(path);
  await using low = await lower.parentOf(path);
  if (type === 'link') return (await up.link(name)) === (await low.link(name));
  if (type !== 'file') return false;
  await using a = await up.read(name);
  await using b = await low.read(name);
  return await sameBytes(a, b);
}

/** Text of a file; undefined when it is not text or too long to show. */
export async function textOf(root: Beneath, path: string): Promise<string | undefined> {
  await using parent = await root.parentOf(path);
  await using file = await parent.read(path.slice(path.lastIndexOf('/') + 1));
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
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, most - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    parts.push(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return Buffer.concat(parts);
}

async function sameBytes(a: FileHandle, b: FileHandle): Promise<boolean> {
  const { size } = await a.stat();
  if ((await b.stat()).size !== size) return false;
  const [one, two] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
  // No longer than they were: two guests could let both grow together.
  for (let at = 0; at < size; ) {
    const { bytesRead } = await a.read(one, 0, one.length, at);
    const other = await b.read(two, 0, bytesRead === 0 ? 1 : bytesRead, at);
    if (other.bytesRead !== bytesRead) return false;
    if (bytesRead === 0) return true;
    if (!one.subarray(0, bytesRead).equals(two.subarray(0, bytesRead))) return false;
    at += bytesRead;
  }
  return true;
}
