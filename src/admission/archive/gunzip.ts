/**
 * What a gzip file (RFC 1952) expands to, piece by piece, and never more than is allowed. Members that follow each other
 * are one text, as for every reader.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ArchiveEnds, type ByteSource, RATIO_COUNTS_FROM, type ReadArchive } from './archive.ts';
import { pieces } from './byte-source.ts';

const CHUNK = 256 * 1024;

/** @throws ArchiveEnds */
export async function* gunzip(
  source: ByteSource,
  { limits, odd }: ReadArchive,
): AsyncGenerator<Buffer, void, undefined> {
  const input = Readable.from(pieces(source), { objectMode: false, highWaterMark: CHUNK });
  const unzip = createGunzip({ chunkSize: CHUNK });
  // Without it, an error of ours leaves the input open; errors of the engine come out of the loop below.
  input.on('error', (error) => unzip.destroy(error));
  input.pipe(unzip);
  let expanded = 0;
  try {
    for await (const piece of unzip as AsyncIterable<Buffer>) {
      expanded += piece.length;
      if (expanded > limits.expandedBytes) {
        throw new ArchiveEnds('bomb', `it expands to more than ${limits.expandedBytes} bytes`);
      }
      if (expanded > RATIO_COUNTS_FROM && expanded > limits.ratio * source.size) {
        throw new ArchiveEnds('bomb', `it expands to more than ${limits.ratio} times its size`);
      }
      yield piece;
    }
  } catch (error) {
    if (error instanceof ArchiveEnds) throw error;
    throw new ArchiveEnds('damaged', `the gzip stream is damaged: ${(error as Error).message}`);
  } finally {
    input.destroy();
    unzip.destroy();
  }
  const rest = source.size - unzip.bytesWritten;
  if (rest > 0 && !(await isZero(source, unzip.bytesWritten))) {
    odd({ kind: 'hidden-data', message: `${rest} bytes stand behind the gzip stream` });
  }
}

/** Tapes and some tools pad with zeros. */
async function isZero(source: ByteSource, from: number): Promise<boolean> {
  const rest = await source.read(from, CHUNK);
  return from + rest.length >= source.size && rest.every((byte) => byte === 0);
}
