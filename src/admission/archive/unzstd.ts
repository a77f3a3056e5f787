/**
 * What a Zstandard file (RFC 8878) expands to, piece by piece, and never more than is allowed. Frames that follow each other
 * are one text, as for every reader; node:zlib reads one.
 */
import { constants, createZstdDecompress } from 'node:zlib';
import { ArchiveEnds, type ByteSource, type ReadArchive } from './archive.ts';
import { EXPANSION_CHUNK, Expansion } from './expansion.ts';

/** The window that a decoder holds in memory: 128 MiB, what the zstd program takes unasked. */
const WINDOW_LOG_MAX = 27;
const FRAMES_MAX = 10_000;
const MAGIC = 0xfd2fb528;
/** Sixteen of them: user data, with its length behind. */
const SKIPPABLE = 0x184d2a50;

/** @throws ArchiveEnds */
export async function* unzstd(
  source: ByteSource,
  { limits, odd }: ReadArchive,
): AsyncGenerator<Buffer, void, undefined> {
  const expansion = new Expansion(source, limits, 'zstd');
  let at = 0;
  for (let frames = 0; ; frames++) {
    const head = await source.read(at, 8);
    const magic = head.length < 4 ? 0 : head.readUInt32LE(0);
    const skips = head.length === 8 && (magic & 0xfffffff0) >>> 0 === SKIPPABLE;
    if (!skips && magic !== MAGIC) break;
    if (frames === FRAMES_MAX) {
      throw new ArchiveEnds('bomb', `it has more than ${FRAMES_MAX} zstd frames`);
    }
    if (skips) {
      at += 8 + head.readUInt32LE(4);
      odd({ kind: 'hidden-data', message: 'a zstd frame holds bytes that are no content' });
      continue;
    }
    const frame = expansion.part(newEngine(), at);
    yield* frame.pieces;
    at += frame.used();
  }
  if (at === 0) throw new ArchiveEnds('damaged', 'the zstd header is damaged');
  if (at < source.size) {
    odd({ kind: 'hidden-data', message: `${source.size - at} bytes stand behind the zstd stream` });
  }
}

function newEngine() {
  return createZstdDecompress({
    chunkSize: EXPANSION_CHUNK,
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
  });
}
