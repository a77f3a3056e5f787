/** Entries of a zip file: wheels, eggs, zipped applications. Stored and deflated ones; every other method is told. */
import { promisify } from 'node:util';
import { crc32, type InflateRaw, inflateRaw } from 'node:zlib';
import { ArchiveEnds, type ArchiveEntry, type ByteSource, type ReadArchive } from './archive.ts';
import { entryPath, leadsOut } from './entry-path.ts';
import { requireNoBomb } from './expansion.ts';
import { type ZipRecord, zipDirectory } from './zip-directory.ts';

const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
/** Behind an entry's data, where its sizes were not known before: signature, checksum, two sizes of 8 bytes. */
const DESCRIPTOR_MAX = 24;
/** Encrypted, strongly encrypted, masked. */
const ENCRYPTED = 0x2041;
const LINK = 0xa000;
const KIND = 0xf000;
const TARGET_MAX = 4096;

const inflate = promisify(inflateRaw) as unknown as (
  bytes: Buffer,
  options: { maxOutputLength: number; info: true },
) => Promise<{ buffer: Buffer; engine: InflateRaw }>;

/** @throws ArchiveEnds */
export async function* readZip(
  source: ByteSource,
  options: ReadArchive,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  const { limits, odd } = options;
  const { records, start, directoryOffset } = await zipDirectory(source, limits, odd);
  checkSum(records, options);
  const places = await placesOf(source, records, options);
  checkOverlap(places, start, directoryOffset, options);
  const seen = new Set<string>();
  for (const place of places) {
    const { record } = place;
    const named = entryPath(record.name);
    for (const each of named.odd) odd(each);
    const { path } = named;
    if (path === '' || (/[/\\]$/.test(record.name) && record.size === 0)) continue;
    if (seen.has(path)) {
      odd({ kind: 'duplicate', entry: path, message: 'it is there more than once' });
    }
    seen.add(path);
    const read = (): Promise<Buffer | undefined> => content(source, place, path, options);
    if ((record.mode & KIND) === LINK) {
      const target = record.size > TARGET_MAX ? '' : ((await read())?.toString('utf8') ?? '');
      if (record.size > TARGET_MAX || leadsOut(path, target)) {
        odd({
          kind: 'link-outside',
          entry: path,
          message: `it links to ${JSON.stringify(target)}`,
        });
      }
      yield { path, kind: 'link', size: 0, target, read: async () => undefined };
    } else {
      yield { path, kind: 'file', size: record.size, read };
    }
  }
}

interface Place {
  readonly record: ZipRecord;
  readonly dataOffset: number;
  readonly end: number;
}

function checkSum(records: readonly ZipRecord[], { limits }: ReadArchive): void {
  let expanded = 0;
  let compressed = 0;
  for (const { size, compressedSize } of records) {
    expanded += size;
    compressed += compressedSize;
  }
  requireNoBomb(expanded, compressed, limits);
}

/** Looks at each local header, which readers of streams go by, and whether it says the same. */
async function placesOf(
  source: ByteSource,
  records: readonly ZipRecord[],
  { odd }: ReadArchive,
): Promise<Place[]> {
  const places: Place[] = [];
  for (const record of records) {
    const { rawName, offset } = record;
    const header = await source.read(offset, LOCAL_BYTES + rawName.length);
    if (header.length < LOCAL_BYTES || header.readUInt32LE(0) !== LOCAL) {
      throw new ArchiveEnds(
        'damaged',
        'an entry does not stand where its directory says',
        record.name,
      );
    }
    const nameLength = header.readUInt16LE(26);
    const name = header.subarray(LOCAL_BYTES, LOCAL_BYTES + nameLength);
    const hasSizes = (header.readUInt16LE(6) & 8) === 0 && header.readUInt32LE(22) !== 0xffffffff;
    if (
      !name.equals(rawName) ||
      header.readUInt16LE(8) !== record.method ||
      (hasSizes && header.readUInt32LE(22) !== record.size) ||
      (hasSizes && header.readUInt32LE(18) !== record.compressedSize)
    ) {
      odd({
        kind: 'ambiguous',
        entry: record.name,
        message: 'its own header and the directory of the archive contradict each other',
      });
    }
    const dataOffset = offset + LOCAL_BYTES + nameLength + header.readUInt16LE(28);
    places.push({ record, dataOffset, end: dataOffset + record.compressedSize });
  }
  return places.sort((a, b) => a.record.offset - b.record.offset);
}

function checkOverlap(
  places: readonly Place[],
  start: number,
  directoryOffset: number,
  { odd }: ReadArchive,
): void {
  let at = start;
  for (const { record, end } of places) {
    if (record.offset < at || end > directoryOffset) {
      throw new ArchiveEnds('overlap', 'it shares its bytes with another entry', record.name);
    }
    if (record.offset - at > DESCRIPTOR_MAX) {
      odd({
        kind: 'hidden-data',
        entry: record.name,
        message: `${record.offset - at} bytes before it belong to no entry`,
      });
    }
    at = end;
  }
  if (directoryOffset - at > DESCRIPTOR_MAX) {
    odd({
      kind: 'hidden-data',
      message: `${directoryOffset - at} bytes before its directory belong to no entry`,
    });
  }
}

async function content(
  source: ByteSource,
  { record, dataOffset }: Place,
  entry: string,
  { limits, odd }: ReadArchive,
): Promise<Buffer | undefined> {
  const { method, size, compressedSize, crc, flags } = record;
  if (size > limits.entryBytes) return undefined;
  if ((flags & ENCRYPTED) !== 0) {
    odd({ kind: 'encrypted', entry, message: 'it is encrypted' });
    return undefined;
  }
  if (method !== 0 && method !== 8) {
    odd({ kind: 'unsupported', entry, message: `compression method ${method} is not read` });
    return undefined;
  }
  if (compressedSize > size + limits.entryBytes) {
    odd({ kind: 'size-lie', entry, message: 'it is larger compressed than expanded' });
    return undefined;
  }
  const bytes = await source.read(dataOffset, compressedSize);
  const expanded = method === 0 ? { bytes, used: bytes.length } : await inflated(bytes, size);
  if (
    expanded === undefined ||
    expanded.bytes.length !== size ||
    expanded.used !== compressedSize
  ) {
    odd({ kind: 'size-lie', entry, message: 'its content does not have the size that it says' });
    return expanded?.bytes;
  }
  if (crc32(expanded.bytes) !== crc) {
    odd({
      kind: 'size-lie',
      entry,
      message: 'its content does not have the checksum that it says',
    });
  }
  return expanded.bytes;
}

async function inflated(
  bytes: Buffer,
  size: number,
): Promise<{ bytes: Buffer; used: number } | undefined> {
  try {
    const { buffer, engine } = await inflate(bytes, { maxOutputLength: size + 1, info: true });
    return { bytes: buffer, used: engine.bytesWritten };
  } catch {
    return undefined;
  }
}
