/**
 * What a gzip file (RFC 1952) expands to, piece by piece, and never more than is allowed. Members that follow each other
 * are one text, as for every reader.
 *
 * Headers and trailers are read here and only the deflated part by zlib: its own reader of members gives up the content of
 * a good one for the garbage behind it, which other readers pass over.
 */
import { crc32, createInflateRaw } from 'node:zlib';
import { ArchiveEnds, type ByteSource, type ReadArchive } from './archive.ts';
import { EXPANSION_CHUNK, Expansion } from './expansion.ts';

/** Fixed part, extra field, and a name and a comment no longer than this together: packers write none or a short one. */
const HEADER_MAX = 4 * 1024;
const TRAILER_BYTES = 8;
const PADDING_MAX = 256 * 1024;
/** Some tools write a member for each block, none for each byte. */
const MEMBERS_MAX = 10_000;

/** @throws ArchiveEnds */
export async function* gunzip(
  source: ByteSource,
  { limits, odd }: ReadArchive,
): AsyncGenerator<Buffer, void, undefined> {
  const expansion = new Expansion(source, limits, 'gzip');
  let at = 0;
  for (let members = 0; ; members++) {
    const header = headerBytes(await source.read(at, HEADER_MAX));
    if (header === undefined) break;
    if (members === MEMBERS_MAX) {
      throw new ArchiveEnds('bomb', `it has more than ${MEMBERS_MAX} gzip members`);
    }
    at += header;
    let crc = 0;
    let length = 0;
    const member = expansion.part(createInflateRaw({ chunkSize: EXPANSION_CHUNK }), at);
    for await (const piece of member.pieces) {
      length += piece.length;
      crc = crc32(piece, crc);
      yield piece;
    }
    at += member.used();
    const trailer = await source.read(at, TRAILER_BYTES);
    if (trailer.length < TRAILER_BYTES)
      throw new ArchiveEnds('damaged', 'the gzip stream is cut off');
    if (trailer.readUInt32LE(0) !== crc || trailer.readUInt32LE(4) !== length % 2 ** 32) {
      odd({
        kind: 'size-lie',
        message: 'the gzip stream does not have the checksum or size it says',
      });
    }
    at += TRAILER_BYTES;
  }
  if (at === 0) throw new ArchiveEnds('damaged', 'the gzip header is damaged');
  if (at < source.size && !(await isZero(source, at))) {
    odd({ kind: 'hidden-data', message: `${source.size - at} bytes stand behind the gzip stream` });
  }
}

/** @returns how long the header is; undefined where it is none */
function headerBytes(bytes: Buffer): number | undefined {
  if (bytes.length < 10 || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8)
    return undefined;
  const flags = bytes[3] as number;
  let at = 10;
  if ((flags & 4) !== 0) at += 2 + (at + 2 <= bytes.length ? bytes.readUInt16LE(at) : 0);
  for (const flag of [8, 16]) {
    if ((flags & flag) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & 2) !== 0) at += 2;
  return at > bytes.length ? undefined : at;
}

/** Tapes and some tools pad with zeros. */
async function isZero(source: ByteSource, from: number): Promise<boolean> {
  const rest = await source.read(from, PADDING_MAX);
  return from + rest.length >= source.size && rest.every((byte) => byte === 0);
}
