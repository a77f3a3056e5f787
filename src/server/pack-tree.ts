/**
 * Trees of a sandbox as tar archives, packed while they pass: every file is asked of the agent inside, so what a guest
 * contrives stays inside. It may write meanwhile: what is gone, or something else by now, is left out.
 */
import { posix } from 'node:path';
import { type Pack, pack } from 'tar-stream';
import { type ArchiveHeader, drained } from '../api/feed-archive.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { ListedFile, SandboxFiles } from '../sandbox/files.ts';

/** A guest can make names as fast as they are packed. */
const MOST_ENTRIES = 1_000_000;
const ZEROS = 512 * 1024;
/** With secrets replaced by their names a file is longer by no more than that: it grows while it is read. */
const MOST_LONGER = 64;

/** @throws FILE_FAILED where there is no such directory */
export async function packTree(files: SandboxFiles, root: string): Promise<AsyncIterable<Buffer>> {
  const { type } = await files.stat(root, { follow: true });
  if (type !== 'directory') throw notDirectory(root);
  return new Packer(files, root).run();
}

class Packer {
  readonly #files: SandboxFiles;
  readonly #root: string;
  readonly #archive: Pack = pack();
  #entries = 0;
  /** Settles when somebody waits for more. */
  #wanted = Promise.withResolvers<void>();

  constructor(files: SandboxFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  async *run(): AsyncGenerator<Buffer> {
    const archive = this.#archive;
    // What it fails of, its reader is told; nobody else listens.
    archive.on('error', () => {});
    this.#below('').then(
      () => archive.finalize(),
      (error: Error) => archive.destroy(error),
    );
    try {
      const pieces = (archive as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      for (;;) {
        this.#wanted.resolve();
        const { done, value } = await pieces.next();
        if (done === true) return;
        this.#wanted = Promise.withResolvers();
        yield value;
      }
    } finally {
      archive.destroy();
      this.#wanted.resolve();
    }
  }

  async #below(below: string): Promise<void> {
    let after: number | undefined = 0;
    while (after !== undefined) {
      const part: Awaited<ReturnType<SandboxFiles['page']>> | undefined = await this.#files
        .page(posix.join(this.#root, below), { after })
        .catch((error) => (below === '' ? Promise.reject(error) : unlessOther(error)));
      for (const file of part?.entries ?? []) {
        const name = posix.join(below, file.name);
        this.#entries += 1;
        if (this.#entries > MOST_ENTRIES) throw tooMany();
        await this.#one(name, file);
        if (file.type === 'directory') await this.#below(name);
      }
      after = part?.next;
    }
  }

  async #one(name: string, { type, mode, size, modifiedMs }: ListedFile): Promise<void> {
    const path = posix.join(this.#root, name);
    const header = { name, mode: mode & 0o777, mtime: new Date(modifiedMs) };
    if (type === 'special') return;
    if (type === 'directory') return await this.#add({ ...header, type: 'directory' });
    if (type === 'link') {
      const linkname = await this.#files.readLink(path).catch(unlessOther);
      if (linkname === undefined) return;
      return await this.#add({ ...header, type: 'symlink', linkname });
    }
    const content = this.#files.readStream(path);
    try {
      // Before the header: one that cannot be read has none.
      const first = await content.next();
      // With secrets replaced it may have another length, which an archive tells first.
      const length = this.#files.isRedacted ? await this.#lengthOf(path, size) : size;
      await this.#add({ ...header, type: 'file', size: length }, first, content);
    } catch (error) {
      unlessOther(error);
    } finally {
      await content.return(undefined);
    }
  }

  async #lengthOf(path: string, size: number): Promise<number> {
    const most = size * MOST_LONGER;
    let length = 0;
    for await (const piece of this.#files.readStream(path)) {
      length += piece.length;
      if (length >= most) return most;
    }
    return length;
  }

  /** Exactly as long as its header says, whatever becomes of the file: cut, or filled up with zeros. */
  async #add(
    header: ArchiveHeader,
    first?: IteratorResult<Buffer>,
    content?: AsyncGenerator<Buffer>,
  ): Promise<void> {
    const sink = this.#archive.entry(header);
    // Where the archive fails, so does its entry; an error that nobody listens for would end the service.
    sink.on('error', () => {});
    if (header.type !== 'file') return await this.#wanted.promise;
    let left = header.size ?? 0;
    const put = async (bytes: Buffer): Promise<void> => {
      const part = bytes.subarray(0, left);
      left -= part.length;
      if (part.length === 0 || sink.write(part)) return;
      if (await drained(sink)) return;
      throw new Error('nobody takes the archive any more');
    };
    let next = first;
    while (left > 0 && next?.done === false) {
      await put(next.value);
      // An entry that was begun is ended: the archive waits for it, and so does whoever reads it.
      next = left > 0 ? await content?.next().catch(unlessOther) : undefined;
    }
    while (left > 0) await put(Buffer.alloc(Math.min(left, ZEROS)));
    sink.end(undefined);
    await this.#wanted.promise;
  }
}

/** Gone since it was listed, or something else in its place. */
const OTHER = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'ENXIO'];

function unlessOther(error: unknown): undefined {
  if (isCaissonError(error) && OTHER.includes(String(error.details.errno))) return undefined;
  throw error;
}

function tooMany(): CaissonError {
  return new CaissonError('TOO_LARGE', {
    layer: 'server',
    message: `the tree has more than ${MOST_ENTRIES} entries`,
    hint: 'ask for its parts one by one',
    details: { limit: MOST_ENTRIES },
  });
}

function notDirectory(path: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'server',
    message: `${path} is no directory`,
    details: { op: 'list', path, errno: 'ENOTDIR' },
  });
}
