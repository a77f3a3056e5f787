/**
 * Contents of host files on both sides of an overlay, for comparing and showing them.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Beneath } from './beneath.ts';

/** Above that a file is shown as one line, not as a diff. */
const TEXT_MAX = 1024 * 1024;

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
  if ((await file.stat()).size > TEXT_MAX) return undefined;
  const bytes = await file.readFile();
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

async function sameBytes(a: FileHandle, b: FileHandle): Promise<boolean> {
  if ((await a.stat()).size !== (await b.stat()).size) return false;
  const [one, two] = [Buffer.allocUnsafe(256 * 1024), Buffer.allocUnsafe(256 * 1024)];
  for (let at = 0; ; ) {
    const { bytesRead } = await a.read(one, 0, one.length, at);
    const other = await b.read(two, 0, bytesRead === 0 ? 1 : bytesRead, at);
    if (other.bytesRead !== bytesRead) return false;
    if (bytesRead === 0) return true;
    if (!one.subarray(0, bytesRead).equals(two.subarray(0, bytesRead))) return false;
    at += bytesRead;
  }
}
