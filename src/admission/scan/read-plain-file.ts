/** A file that may be anything, and may change under our eyes: what is judged is what was read, once. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { HEAD_BYTES } from './code-files.ts';

export type PlainFile =
  | {
      readonly head: Buffer;
      /** All of it; absent where only the head was wanted, or where it is larger than `most`. */
      readonly bytes: Buffer | undefined;
      readonly size: number;
    }
  | { readonly special: true }
  | { readonly unread: string };

/** @param wants told the head: whether the rest is wanted, too */
export function readPlainFile(
  path: string,
  most: number,
  wants: (head: Buffer) => boolean,
): PlainFile {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: number;
  try {
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // A link that was put in its place, a socket.
    return code === 'ELOOP' || code === 'ENXIO' ? { special: true } : { unread: message };
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) return { special: true };
    // One byte more than it has: then the end is seen, unless it grows.
    let buffer = Buffer.allocUnsafe(Math.min(stat.size, most) + 1);
    let filled = readSync(file, buffer, 0, Math.min(HEAD_BYTES, buffer.length), null);
    const head = buffer.subarray(0, filled);
    if (!wants(head)) return { head: Buffer.from(head), bytes: undefined, size: stat.size };
    for (;;) {
      if (filled > most) return { head: Buffer.from(head), bytes: undefined, size: stat.size };
      if (filled === buffer.length) {
        buffer = Buffer.concat([
          buffer,
          Buffer.allocUnsafe(Math.min(most + 1 - filled, filled + 1)),
        ]);
      }
      const read = readSync(file, buffer, filled, buffer.length - filled, null);
      if (read === 0) break;
      filled += read;
    }
    return {
      head: buffer.subarray(0, Math.min(filled, HEAD_BYTES)),
      bytes: buffer.subarray(0, filled),
      size: filled,
    };
  } catch (error) {
    return { unread: (error as Error).message };
  } finally {
    closeSync(file);
  }
}
