/**
 * Which archive something is, by its first bytes; its name only says what it wants to be taken for.
 *
 * The readers are our own: each is a few dozen lines above `node:zlib`. What unpacks for others resolves contradictions
 * in silence, as it must; here they are what is looked for.
 */
import { ArchiveEnds, type ArchiveEntry, type ByteSource, type ReadArchive } from './archive.ts';
import { pieces } from './byte-source.ts';
import { gunzip } from './gunzip.ts';
import { readTar } from './tar.ts';
import { unzstd } from './unzstd.ts';
import { readZip } from './zip.ts';

export type ArchiveFormat = 'tar' | 'gzip' | 'zstd' | 'zip';

/** What is known by its first bytes, and not read. */
const FOREIGN: readonly (readonly [string, readonly number[]])[] = [
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['7z', [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  ['rar', [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07]],
];

const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
const TAR_MAGIC_AT = 257;
/** Bytes that {@link archiveFormat} wants to see. */
export const MAGIC_BYTES = 264;

/** @param head the first {@link MAGIC_BYTES}, or all there are @returns undefined for what is none */
export function archiveFormat(
  head: Uint8Array,
): ArchiveFormat | { readonly foreign: string } | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (ZSTD.every((byte, at) => head[at] === byte)) return 'zstd';
  // A first entry, or the directory of an empty one.
  if (head[0] === 0x50 && head[1] === 0x4b && (head[2] === 3 || head[2] === 5)) return 'zip';
  if (Buffer.from(head.subarray(TAR_MAGIC_AT, TAR_MAGIC_AT + 5)).equals(Buffer.from('ustar'))) {
    return 'tar';
  }
  const foreign = FOREIGN.find(([, magic]) => magic.every((byte, at) => head[at] === byte));
  return foreign === undefined ? undefined : { foreign: foreign[0] };
}

/** Names by which something says that it is an archive: npm's and PyPI's, and what is met around them. */
export function isArchiveName(path: string): boolean {
  return /\.(tgz|tar|tar\.(gz|bz2|xz|zst)|tbz2?|txz|tzst|zip|whl|egg|pyz|jar|crate|gem|7z|rar|nupkg|vsix)$/i.test(
    path,
  );
}

/** @returns entries; whatever goes wrong is told as an oddity, and ends them */
export async function* archiveEntries(
  source: ByteSource,
  format: ArchiveFormat,
  options: ReadArchive,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  let ended = false;
  const end = (error: unknown): void => {
    if (!(error instanceof ArchiveEnds)) throw error;
    ended = true;
    options.odd(error.oddity);
  };
  try {
    for await (const entry of entriesOf(source, format, options)) {
      // What ends the archive may be met while a caller reads an entry, outside of this loop.
      const read = (): Promise<Buffer | undefined> => entry.read().catch(end as () => undefined);
      yield { ...entry, read };
      if (ended) return;
    }
  } catch (error) {
    end(error);
  }
}

function entriesOf(
  source: ByteSource,
  format: ArchiveFormat,
  options: ReadArchive,
): AsyncGenerator<ArchiveEntry, void, undefined> {
  if (format === 'zip') return readZip(source, options);
  if (format === 'zstd') return readTar(unzstd(source, options), options);
  return readTar(format === 'tar' ? pieces(source) : gunzip(source, options), options);
}
