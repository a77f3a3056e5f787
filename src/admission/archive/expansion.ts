/** Compressed parts of a file, expanded piece by piece, and all together to no more than is allowed. */
import { Readable } from 'node:stream';
import type { InflateRaw, ZstdDecompress } from 'node:zlib';
import { ArchiveEnds, type ByteSource, RATIO_COUNTS_FROM, type ReadArchive } from './archive.ts';
import { pieces } from './byte-source.ts';

export const EXPANSION_CHUNK = 256 * 1024;

export interface ExpandedPart {
  readonly pieces: AsyncIterable<Buffer>;
  /** Compressed bytes; known at the end. */
  readonly used: () => number;
}

export class Expansion {
  readonly #source: ByteSource;
  readonly #limits: ReadArchive['limits'];
  readonly #format: string;
  #bytes = 0;

  /** @param format as messages call it */
  constructor(source: ByteSource, limits: ReadArchive['limits'], format: string) {
    this.#source = source;
    this.#limits = limits;
    this.#format = format;
  }

  /** @param engine takes one part, and ends with it; what it yields throws ArchiveEnds */
  part(engine: InflateRaw | ZstdDecompress, from: number): ExpandedPart {
    return { pieces: this.#expand(engine, from), used: () => engine.bytesWritten };
  }

  async *#expand(
    engine: InflateRaw | ZstdDecompress,
    from: number,
  ): AsyncGenerator<Buffer, void, undefined> {
    const rest: ByteSource = {
      size: this.#source.size - from,
      read: (offset, length) => this.#source.read(from + offset, length),
    };
    const input = Readable.from(pieces(rest), {
      objectMode: false,
      highWaterMark: EXPANSION_CHUNK,
    });
    input.on('error', (error) => engine.destroy(error));
    input.pipe(engine);
    try {
      for await (const piece of engine as AsyncIterable<Buffer>) {
        this.#bytes += piece.length;
        requireNoBomb(this.#bytes, this.#source.size, this.#limits);
        yield piece;
      }
    } catch (error) {
      if (error instanceof ArchiveEnds) throw error;
      throw new ArchiveEnds(
        'damaged',
        `the ${this.#format} stream is damaged: ${(error as Error).message}`,
      );
    } finally {
      input.destroy();
      engine.destroy();
    }
  }
}

/** @param compressed bytes that it comes from @throws ArchiveEnds */
export function requireNoBomb(
  expanded: number,
  compressed: number,
  { expandedBytes, ratio }: ReadArchive['limits'],
): void {
  if (expanded > expandedBytes) {
    throw new ArchiveEnds('bomb', `it expands to more than ${expandedBytes} bytes`);
  }
  if (expanded > RATIO_COUNTS_FROM && expanded > ratio * compressed) {
    throw new ArchiveEnds('bomb', `it expands to more than ${ratio} times its size`);
  }
}
