/** Bytes of a file, or of memory, at any place. */
import type { FileHandle } from 'node:fs/promises';
import type { ByteSource } from './archive.ts';

export function bufferSource(bytes: Uint8Array): ByteSource {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    size: all.length,
    read: async (offset, length) => all.subarray(offset, offset + length),
  };
}

/** @param size as it was when the file was opened: what is appended meanwhile does not count */
export function fileSource(file: FileHandle, size: number): ByteSource {
  return {
    size,
    async read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset));
      const buffer = Buffer.allocUnsafe(wanted);
      let filled = 0;
      while (filled < wanted) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
  };
}

const PIECE = 256 * 1024;

export async function* pieces(source: ByteSource): AsyncGenerator<Buffer, void, undefined> {
  for (let offset = 0; offset < source.size; ) {
    const piece = await source.read(offset, PIECE);
    if (piece.length === 0) return;
    offset += piece.length;
    yield piece;
  }
}
