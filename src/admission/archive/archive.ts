/**
 * What is read out of an archive, and what is odd about it. Nothing is ever unpacked: entries are bytes in memory, one at
 * a time, and their names are names.
 */

/** Where an archive's bytes come from: a file, or an entry of another archive. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** Fewer bytes than asked for: it ends there. */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface ArchiveLimits {
  /** Entries of an archive; default 100,000. */
  readonly entries: number;
  /** What all of it may expand to, bytes; default 1 GiB. */
  readonly expandedBytes: number;
  /** Expanded bytes for each compressed one, counted once 16 MiB have come out; default 200. */
  readonly ratio: number;
  /** An entry larger than this is not held in memory, and so not looked at; default 32 MiB. */
  readonly entryBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  entries: 100_000,
  expandedBytes: 1024 * 1024 * 1024,
  ratio: 200,
  entryBytes: 32 * 1024 * 1024,
};

/** Before that many bytes a high ratio is no danger, and small files of one line repeated have one. */
export const RATIO_COUNTS_FROM = 16 * 1024 * 1024;

export type OddityKind =
  /** `..`, an absolute path or a drive: an unpacker that believes it writes elsewhere. */
  | 'path-outside'
  /** Control characters, or longer than any file system takes. */
  | 'path-strange'
  /** Two entries with one name: who unpacks sees one of them, who looks may see the other. */
  | 'duplicate'
  /** A link that leads out of the archive. */
  | 'link-outside'
  /** A device or a pipe. */
  | 'special-file'
  /** Nobody who has not the password can look at it. */
  | 'encrypted'
  /** A size or checksum that is not that of the content, or two that differ. */
  | 'size-lie'
  /** Entries that share bytes. */
  | 'overlap'
  /** Two descriptions of the content that do not agree: which one counts differs from reader to reader. */
  | 'ambiguous'
  /** Bytes that belong to no entry. */
  | 'hidden-data'
  /** More entries, bytes or a higher ratio than is allowed. */
  | 'bomb'
  /** It ends too soon, or is no archive of its kind. */
  | 'damaged'
  /** A format, method or kind of entry that is not read here. */
  | 'unsupported';

export interface Oddity {
  readonly kind: OddityKind;
  /** The entry that it is about; absent: the archive. Not to be shown as it is: it may hold control characters. */
  readonly entry?: string;
  readonly message: string;
  /** Reading has ended there: nothing behind it was looked at. */
  readonly ends?: true;
}

export interface ArchiveEntry {
  /** Relative, `/`-separated, without `.` and `..`. */
  readonly path: string;
  readonly kind: 'file' | 'link';
  /** As the archive says it, bytes. */
  readonly size: number;
  /** Where a link leads, as it is written. */
  readonly target?: string;
  /**
   * The content; undefined where it cannot be had, which is told as an oddity, or is larger than `entryBytes`. At most
   * once, and before the next entry is asked for.
   */
  read(): Promise<Buffer | undefined>;
}

export interface ReadArchive {
  readonly limits: ArchiveLimits;
  /** Told of everything that is odd, as it is met. */
  readonly odd: (oddity: Oddity) => void;
}

/** Leaves a reader: the oddity that it was given has been told, or will be by whoever catches it. */
export class ArchiveEnds extends Error {
  readonly oddity: Oddity;

  constructor(kind: OddityKind, message: string, entry?: string) {
    super(message);
    this.oddity = { kind, message, ends: true, ...(entry === undefined ? {} : { entry }) };
  }
}
