/**
 * Trees of this machine as tar archives, and back. What comes was made by a guest, through somebody else's program: it
 * is written below one open directory, component by component, and never through a link (src/sandbox/beneath.ts).
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { extract, pack } from 'tar-stream';
import {
  type ArchiveEntry,
  type ArchiveHeader,
  drained,
  feedArchive,
} from '../api/feed-archive.ts';
import { CaissonError } from '../core/error.ts';
import type { Beneath } from '../sandbox/beneath.ts';
import { isErrno } from '../sandbox/beneath.ts';
import { remoteFailed } from './remote-answer.ts';

type Pack = ReturnType<typeof pack>;

const PIECE = 512 * 1024;

/** Links as links, never followed; other special files are refused, as by the library. */
export function packHostTree(root: string): Pack {
  const archive = pack();
  addBelow(archive, root, '').then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  return archive;
}

async function addBelow(archive: Pack, root: string, below: string): Promise<void> {
  for (const each of await readdir(join(root, below))) {
    const name = posix.join(below, each);
    const path = join(root, name);
    const stat = await lstat(path);
    const header = { name, mode: stat.mode & 0o777, mtime: stat.mtime };
    if (stat.isDirectory()) {
      await add(archive, { ...header, type: 'directory' });
      await addBelow(archive, root, name);
    } else if (stat.isSymbolicLink()) {
      await add(archive, { ...header, type: 'symlink', linkname: await readlink(path) });
    } else if (stat.isFile()) {
      await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      const { size } = await file.stat();
      await add(archive, { ...header, type: 'file', size }, piecesOf(file, size));
    } else throw notPlain('upload', path);
  }
}

/** @throws FILE_FAILED where it became shorter meanwhile */
async function* piecesOf(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE, size - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw failed('upload', 'a file became shorter while it was read');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function add(
  archive: Pack,
  header: ArchiveHeader,
  content?: AsyncIterable<Buffer>,
): Promise<void> {
  const sink = archive.entry(header);
  // Of an archive that nobody takes any more: told by the write that fails.
  sink.on('error', () => {});
  if (content !== undefined) {
    for await (const piece of content) {
      if (sink.write(piece) || (await drained(sink))) continue;
      throw failed('upload', 'nobody takes the archive any more');
    }
  }
  if (header.type === 'file') sink.end(undefined);
}

/**
 * @param into empty, and nobody else's
 * @throws PATH_ESCAPES, REMOTE_FAILED for an archive that no service makes; and what `chunks` throws
 */
export async function unpackHostTree(chunks: AsyncIterable<Buffer>, into: Beneath): Promise<void> {
  const archive = extract();
  let fault: unknown;
  const fed = feedArchive(archive, chunks).catch((error: unknown) => {
    fault = error;
    archive.destroy(error as Error);
  });
  /** Given at the end: until then we write into them. */
  const modes = new Map<string, number>();
  try {
    for await (const entry of archive) await take(entry, into, modes);
    await fed;
  } catch (error) {
    archive.destroy();
    if (fault !== undefined) throw fault;
    throw tarFault(error);
  }
  if (fault !== undefined) throw fault;
  for (const [path, mode] of [...modes].reverse()) {
    await using parent = await into.parentOf(path);
    await using directory = await parent.directory(posix.basename(path));
    await directory.chmodSelf(mode);
  }
}

async function take(entry: ArchiveEntry, into: Beneath, modes: Map<string, number>): Promise<void> {
  const { header } = entry;
  const path = header.name.replace(/\/+$/, '');
  const name = path.slice(path.lastIndexOf('/') + 1);
  const mode = (header.mode ?? 0o644) & 0o777;
  // Refuses `..`, what is absolute, and what lies behind a link.
  await using parent = await into.parentOf(path);
  switch (header.type) {
    case 'directory':
      await parent.makeDirectory(name, 0o700);
      modes.set(path, mode);
      break;
    case 'symlink':
      await requireFree(parent, name);
      await parent.replaceLink(name, header.linkname ?? '');
      break;
    case 'file':
      await requireFree(parent, name);
      await parent.replace(
        name,
        async (file) => {
          for await (const piece of entry as AsyncIterable<Buffer>) await file.appendFile(piece);
        },
        mode,
      );
      return;
    default:
      throw remoteFailed(`its archive has a ${header.type} where none can be`);
  }
  entry.resume();
}

async function requireFree(parent: Beneath, name: string): Promise<void> {
  if ((await parent.stat(name)) === undefined) return;
  throw remoteFailed(`its archive has ${JSON.stringify(name)} twice`);
}

/** What leads out of the target is an attack, by whoever made the archive; the rest is no archive. */
function tarFault(error: unknown): unknown {
  if (error instanceof CaissonError) return error;
  if (isErrno(error, 'ELOOP', 'ENOTDIR')) {
    return new CaissonError('PATH_ESCAPES', {
      layer: 'client',
      message: 'the archive has something behind what is no directory',
      cause: error,
    });
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && code !== 'ENOENT' && code !== 'EEXIST') return error;
  return remoteFailed(`its archive cannot be unpacked: ${message}`, error);
}

export function notPlain(op: string, path: string): CaissonError {
  return failed(op, `${path}: it is neither file, directory nor link`);
}

function failed(op: string, message: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'client',
    message: `${op}: ${message}`,
    details: { op },
  });
}
