/**
 * The central directory of a zip file (PKWARE APPNOTE 6.3.10), and whether it is the only account of what is in there.
 *
 * Zip files are read from their end, some readers read them from their beginning, and nothing makes both see the same.
 * So all of a file must belong to one directory and the entries that it names, and to nothing else.
 */
import { ArchiveEnds, type ArchiveLimits, type ByteSource, type Oddity } from './archive.ts';

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END_64_BYTES = 56;
const CENTRAL_BYTES = 46;
/** So long may the comment at the end be. */
const COMMENT_MAX = 0xffff;
/** BINPRM_BUF_SIZE of Linux. */
const INTERPRETER_LINE_MAX = 256;
const DIRECTORY_MAX = 64 * 1024 * 1024;

export interface ZipRecord {
  readonly name: string;
  /** As it stands there, for the comparison with the local header. */
  readonly rawName: Buffer;
  readonly flags: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  /** Of the local header, in the file. */
  readonly offset: number;
  /** `st_mode` where a Unix program made it, else 0. */
  readonly mode: number;
}

export interface ZipDirectory {
  readonly records: readonly ZipRecord[];
  /** Where entries begin: bytes before that belong to no entry. */
  readonly start: number;
  /** Where the directory begins: entries end before it. */
  readonly directoryOffset: number;
}

/** @throws ArchiveEnds */
export async function zipDirectory(
  source: ByteSource,
  limits: ArchiveLimits,
  odd: (oddity: Oddity) => void,
): Promise<ZipDirectory> {
  const end = await endRecord(source, odd);
  if (end.entries > limits.entries) {
    throw new ArchiveEnds('bomb', `it has more than ${limits.entries} entries`);
  }
  if (end.size > DIRECTORY_MAX) {
    throw new ArchiveEnds('bomb', `its directory is longer than ${DIRECTORY_MAX} bytes`);
  }
  // What was put before the file moved everything by as much; offsets are then wrong by it, or were corrected.
  const directoryOffset = end.at - end.size;
  const moved = directoryOffset - end.offset;
  if (directoryOffset < 0 || moved < 0) {
    throw new ArchiveEnds('damaged', 'its directory does not stand where it says');
  }
  const bytes = await source.read(directoryOffset, end.size);
  const records = recordsIn(bytes, moved, limits);
  if (records.length !== end.entries) {
    odd({
      kind: 'ambiguous',
      message: `it says that it has ${end.entries} entries, and lists ${records.length}`,
    });
  }
  const start = records.reduce((least, { offset }) => Math.min(least, offset), directoryOffset);
  if (start > 0 && !(await isInterpreterLine(source, start))) {
    odd({ kind: 'hidden-data', message: `${start} bytes stand before its first entry` });
  }
  return { records, start, directoryOffset };
}

/** Zipped applications of Python begin with a line that names their interpreter (docs of Python, zipapp). */
async function isInterpreterLine(source: ByteSource, length: number): Promise<boolean> {
  if (length > INTERPRETER_LINE_MAX) return false;
  const line = (await source.read(0, length)).toString('latin1');
  return /^#!\/[\x20-\x7e]+\n$/.test(line);
}

interface EndRecord {
  /** Where the first record behind the directory stands. */
  readonly at: number;
  readonly entries: number;
  readonly size: number;
  readonly offset: number;
}

async function endRecord(source: ByteSource, odd: (oddity: Oddity) => void): Promise<EndRecord> {
  const length = Math.min(source.size, END_BYTES + COMMENT_MAX);
  const from = source.size - length;
  const tail = await source.read(from, length);
  const found: number[] = [];
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) === END) found.push(at);
  }
  const fitting = found.filter(
    (each) => each + END_BYTES + tail.readUInt16LE(each + 20) === tail.length,
  );
  const [at] = fitting;
  if (at === undefined) {
    throw new ArchiveEnds(
      'damaged',
      found.length === 0 ? 'it has no directory' : 'something stands behind its directory',
    );
  }
  // One that stands before it and does not reach to the end is content, such as a zip file in this one.
  if (found[0] !== at || fitting.length > 1) {
    odd({ kind: 'ambiguous', message: 'it has two directories: readers differ in which counts' });
  }
  const disk = tail.readUInt16LE(at + 4);
  const short = {
    at: from + at,
    entries: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  const locator = at - LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === LOCATOR_64) {
    return await endRecord64(source, tail.subarray(locator, at), from + locator, short, odd);
  }
  if (disk !== 0 || tail.readUInt16LE(at + 8) !== short.entries) {
    throw new ArchiveEnds('unsupported', 'archives of several parts are not read');
  }
  return short;
}

async function endRecord64(
  source: ByteSource,
  locator: Buffer,
  locatorAt: number,
  short: EndRecord,
  odd: (oddity: Oddity) => void,
): Promise<EndRecord> {
  const said = Number(locator.readBigUInt64LE(8));
  // Directly before the locator, wherever it is said to be: with something put before the file, both differ.
  const at = locatorAt - END_64_BYTES;
  const record = at < 0 ? Buffer.alloc(0) : await source.read(at, END_64_BYTES);
  if (record.length < END_64_BYTES || record.readUInt32LE(0) !== END_64 || said > at) {
    throw new ArchiveEnds('damaged', 'its zip64 directory does not stand where it says');
  }
  const long = {
    at,
    entries: Number(record.readBigUInt64LE(32)),
    size: Number(record.readBigUInt64LE(40)),
    offset: Number(record.readBigUInt64LE(48)),
  };
  const isSame = (a: number, b: number, unset: number): boolean => a === unset || a === b;
  if (
    !isSame(short.entries, long.entries, 0xffff) ||
    !isSame(short.size, long.size, 0xffffffff) ||
    !isSame(short.offset, long.offset, 0xffffffff)
  ) {
    odd({ kind: 'ambiguous', message: 'its two ends contradict each other' });
  }
  return long;
}

function recordsIn(bytes: Buffer, moved: number, limits: ArchiveLimits): ZipRecord[] {
  const records: ZipRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL) {
      throw new ArchiveEnds('damaged', 'its directory is damaged');
    }
    const nameLength = bytes.readUInt16LE(at + 28);
    const extraLength = bytes.readUInt16LE(at + 30);
    const nameAt = at + CENTRAL_BYTES;
    const next = nameAt + nameLength + extraLength + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) throw new ArchiveEnds('damaged', 'its directory is damaged');
    const flags = bytes.readUInt16LE(at + 8);
    const rawName = bytes.subarray(nameAt, nameAt + nameLength);
    const extra = bytes.subarray(nameAt + nameLength, nameAt + nameLength + extraLength);
    const isUnix = bytes[at + 5] === 3;
    const long = longNumbers(extra, [
      bytes.readUInt32LE(at + 24),
      bytes.readUInt32LE(at + 20),
      bytes.readUInt32LE(at + 42),
    ]);
    records.push({
      // Bit 11: UTF-8. Otherwise code page 437, of which only ASCII matters here.
      name: rawName.toString((flags & 0x800) === 0 ? 'latin1' : 'utf8'),
      rawName,
      flags,
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      size: long[0],
      compressedSize: long[1],
      offset: long[2] + moved,
      mode: isUnix ? bytes.readUInt32LE(at + 38) >>> 16 : 0,
    });
    if (records.length > limits.entries) {
      throw new ArchiveEnds('bomb', `it has more than ${limits.entries} entries`);
    }
    at = next;
  }
  return records;
}

/** Size, compressed size and offset: those that do not fit are, in this order, in the extra field 1 (zip64). */
function longNumbers(
  extra: Buffer,
  numbers: readonly [number, number, number],
): [number, number, number] {
  const long: [number, number, number] = [...numbers];
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    const end = at + 4 + length;
    if (extra.readUInt16LE(at) === 1) {
      let value = at + 4;
      for (const index of [0, 1, 2] as const) {
        if (numbers[index] !== 0xffffffff) continue;
        if (value + 8 > end || end > extra.length) {
          throw new ArchiveEnds('damaged', 'a zip64 size is missing');
        }
        long[index] = Number(extra.readBigUInt64LE(value));
        value += 8;
      }
    }
    at = end;
  }
  return long;
}
