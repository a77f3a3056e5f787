/**
 * Trees of a sandbox out of tar archives, unpacked while they pass: every file is given to the agent inside, so what an
 * archive contrives stays inside. No more than a piece of one file is in memory.
 */
import { posix } from 'node:path';
import { extract } from 'tar-stream';
import { type ArchiveEntry, type ArchiveHeader, feedArchive } from '../api/feed-archive.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { SandboxFiles } from '../sandbox/files.ts';

const MOST_ENTRIES = 100_000;
/** Written with one request. */
const SMALL = 512 * 1024;

export interface Unpacked {
  files: number;
  directories: number;
  links: number;
  bytes: number;
}

/**
 * @param root made where it is missing
 * @throws REQUEST_INVALID for what is no archive, or an entry that is refused; FILE_FAILED; and what `chunks` throws
 */
export async function unpackTree(
  files: SandboxFiles,
  root: string,
  chunks: AsyncIterable<Buffer>,
): Promise<Unpacked> {
  const unpacker = new Unpacker(files, root);
  await files.mkdir(root, { recursive: true });
  const archive = extract();
  const fed = feedArchive(archive, chunks).catch((error: unknown) => {
    archive.destroy(error as Error);
  });
  try {
    for await (const entry of archive) await unpacker.take(entry);
    await fed;
  } catch (error) {
    throw isCaissonError(error) ? error : refused((error as Error).message);
  }
  return await unpacker.finish();
}

class Unpacker {
  readonly #files: SandboxFiles;
  readonly #root: string;
  readonly #made = new Set<string>();
  readonly #modes = new Map<string, number>();
  readonly #links = new Set<string>();
  readonly #done: Unpacked = { files: 0, directories: 0, links: 0, bytes: 0 };
  #entries = 0;

  constructor(files: SandboxFiles, root: string) {
    this.#files = files;
    this.#root = root;
  }

  async take(entry: ArchiveEntry): Promise<void> {
    const { header } = entry;
    this.#entries += 1;
    if (this.#entries > MOST_ENTRIES) throw refused(`it has more than ${MOST_ENTRIES} entries`);
    const name = this.#nameOf(header);
    const mode = (header.mode ?? 0o644) & 0o777;
    switch (header.type) {
      case 'directory':
        await this.#directory(name, mode);
        break;
      case 'symlink':
        await this.#link(name, header.linkname ?? '');
        break;
      case 'file':
      case 'contiguous-file':
        await this.#file(name, mode, header.size ?? 0, entry);
        return;
      default:
        throw refused(
          `${JSON.stringify(header.name)} is neither file, directory nor symbolic link`,
        );
    }
    entry.resume();
  }

  /** Those that let nobody write into them come last. */
  async finish(): Promise<Unpacked> {
    for (const [path, mode] of [...this.#modes].reverse()) await this.#files.chmod(path, mode);
    return this.#done;
  }

  #nameOf({ name }: ArchiveHeader): string {
    const shown = JSON.stringify(name.slice(0, 200));
    if (name.includes('\0')) throw refused(`the name ${shown} holds a NUL`);
    if (name.startsWith('/')) throw refused(`the name ${shown} is absolute`);
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw refused(`the name ${shown} leads out of the archive`);
    for (let i = 1; i < parts.length; i++) {
      if (!this.#links.has(parts.slice(0, i).join('/'))) continue;
      throw refused(`${shown} lies behind a link of the same archive`);
    }
    return parts.join('/');
  }

  async #directory(name: string, mode: number): Promise<void> {
    if (name === '') return;
    if (this.#links.has(name)) throw refused(`${JSON.stringify(name)} is a link already`);
    await this.#make(name);
    this.#modes.set(this.#at(name), mode);
    this.#done.directories += 1;
  }

  async #link(name: string, target: string): Promise<void> {
    if (target === '' || target.includes('\0'))
      throw refused(`${JSON.stringify(name)} links nowhere`);
    await this.#parentOf(name);
    // Made anew: what a later archive says replaces what an earlier one said.
    await this.#files.remove(this.#at(name)).catch(unlessMissing);
    await this.#files.makeLink(this.#at(name), target);
    this.#links.add(name);
    this.#done.links += 1;
  }

  async #file(name: string, mode: number, size: number, content: ArchiveEntry): Promise<void> {
    if (name === '') throw refused('a file has no name');
    await this.#parentOf(name);
    this.#links.delete(name);
    const path = this.#at(name);
    const pieces = content as AsyncIterable<Buffer>;
    if (size > SMALL) await this.#files.writeStream(path, pieces, { mode });
    else {
      const bytes = Buffer.concat(await Array.fromAsync(pieces));
      try {
        await this.#files.write(path, bytes, { mode });
      } catch (error) {
        // A link is there, or a file that may not be written: replaced.
        if (!isCaissonError(error) || !['ELOOP', 'EACCES'].includes(String(error.details.errno)))
          throw error;
        await this.#files.writeStream(path, one(bytes), { mode });
      }
    }
    this.#done.files += 1;
    this.#done.bytes += size;
  }

  async #parentOf(name: string): Promise<void> {
    if (name === '') throw refused('an entry has no name');
    const parent = posix.dirname(name);
    if (parent !== '.') await this.#make(parent);
  }

  async #make(name: string): Promise<void> {
    if (this.#made.has(name)) return;
    await this.#files.mkdir(this.#at(name), { recursive: true });
    this.#made.add(name);
  }

  #at(name: string): string {
    return posix.join(this.#root, name);
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function unlessMissing(error: unknown): void {
  if (!isCaissonError(error) || error.details.errno !== 'ENOENT') throw error;
}

function refused(reason: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'server',
    message: `the archive is refused: ${reason}`,
    hint: 'send a tar archive, not compressed, of files, directories and symbolic links',
  });
}
