/**
 * Removes a tree that a guest has made, whatever it made: names that are no text, directories that nobody may look into,
 * paths longer than the system takes (PATH_MAX), more directories inside each other than there are descriptors.
 *
 * Every directory is moved beside the others, into one of ours that no guest has ever seen, and emptied there: so no path is
 * longer than two names, nothing calls itself, and no link is followed, whoever makes one meanwhile.
 */
import type { Dirent } from 'node:fs';
import { chmod, lstat, mkdir, opendir, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../core/ids.ts';
import { inProgress } from './in-progress.ts';

/** Entries that are read ahead. */
const AHEAD = 256;
const WAY_IN = 0o700;

/**
 * @param parent a directory of ours alone, on the same file system as what is removed; there it is emptied
 * @param name of the tree, or of a file; it need not be there
 */
export async function removeTree(parent: string, name: string): Promise<void> {
  const path = join(parent, name);
  const found = await lstat(path).catch(unlessGone);
  if (found === undefined) return;
  if (!found.isDirectory()) return await unlink(path).catch(unlessGone);
  const heap = join(parent, inProgress(newId('workspace')));
  await mkdir(heap, { mode: WAY_IN });
  await new Heap(heap).remove(path);
  await rmdir(heap);
}

class Heap {
  readonly #directory: string;
  #count = 0;
  /** Names in it that are still to be emptied. */
  readonly #full: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  async remove(path: string): Promise<void> {
    await this.#take(path);
    for (let next = this.#full.pop(); next !== undefined; next = this.#full.pop()) {
      await this.#empty(next);
    }
  }

  /** @returns whether it was a directory, and is here now */
  async #take(path: string | Buffer): Promise<void> {
    const name = String(this.#count++);
    const here = join(this.#directory, name);
    try {
      await rename(path, here);
    } catch (error) {
      // Whose way up changes must let itself be written (rename(2), EACCES).
      if (!isOneOf(error, 'EACCES', 'EPERM')) return unlessGone(error);
      await chmod(path, WAY_IN);
      await rename(path, here);
    }
    // Looked at here, where nobody else puts anything: what it was before may have been exchanged.
    const { mode } = await lstat(here);
    if ((mode & 0o170000) !== 0o040000) return await unlink(here);
    if ((mode & WAY_IN) !== WAY_IN) await chmod(here, WAY_IN);
    this.#full.push(name);
  }

  async #empty(name: string): Promise<void> {
    const directory = join(this.#directory, name);
    const prefix = Buffer.from(`${directory}/`);
    const at = (entry: Uint8Array): Buffer => Buffer.concat([prefix, entry]);
    // What is removed while a directory is read can hide what is behind it: until nothing is left.
    for (let isEmpty = false; !isEmpty; ) {
      isEmpty = true;
      for await (const entry of await bytesOf(directory)) {
        isEmpty = false;
        if (entry.isDirectory()) await this.#take(at(entry.name));
        else await unlink(at(entry.name)).catch((error) => this.#orTake(error, at(entry.name)));
      }
    }
    await rmdir(directory);
  }

  /** Where the file system does not say of what type an entry is. */
  async #orTake(error: unknown, path: Buffer): Promise<void> {
    if (isOneOf(error, 'EISDIR')) return await this.#take(path);
    unlessGone(error);
  }
}

/** Names as bytes: one that is no text could not be found again. */
async function bytesOf(directory: string): Promise<AsyncIterable<Dirent<Buffer>>> {
  const options = { encoding: 'buffer' as BufferEncoding, bufferSize: AHEAD };
  return (await opendir(directory, options)) as unknown as AsyncIterable<Dirent<Buffer>>;
}

function isOneOf(error: unknown, ...codes: string[]): boolean {
  return codes.includes(String((error as NodeJS.ErrnoException | null)?.code));
}

function unlessGone(error: unknown): undefined {
  if (!isOneOf(error, 'ENOENT')) throw error;
  return undefined;
}
