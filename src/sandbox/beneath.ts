/**
 * Host files below a directory, reached without ever following a link: what a guest planted must not lead us elsewhere.
 *
 * Node has no openat(2). `/proc/self/fd/N/name` is the same thing: the kernel resolves N to the very directory that was
 * opened, and `name` is one component, opened with O_NOFOLLOW (proc(5), open(2)).
 */
import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants, type Stats } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  symlink,
  unlink,
} from 'node:fs/promises';
import { CaissonError, isCaissonError } from '../core/error.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_CREAT, O_EXCL, O_WRONLY } = constants;

/** An open directory of the host. Close it. */
export class Beneath {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** `path` itself may lie behind links: it is the caller's word. */
  static async open(path: string): Promise<Beneath> {
    return new Beneath(await open(path, O_RDONLY | O_DIRECTORY));
  }

  /** The directory `name` in this one. A link, or anything else, is refused with ENOTDIR or ELOOP. */
  async directory(name: string): Promise<Beneath> {
    return new Beneath(await open(this.#at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  /** The directory that holds the last component of a relative path. */
  async parentOf(path: string): Promise<Beneath> {
    let at: Beneath = await this.#again();
    for (const name of path.split('/').slice(0, -1)) {
      try {
        const next = await at.directory(name);
        await at.close();
        at = next;
      } catch (error) {
        await at.close();
        throw error;
      }
    }
    return at;
  }

  async stat(name: string): Promise<BigIntStats | undefined> {
    try {
      return await lstat(this.#at(name), { bigint: true });
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async own(): Promise<Stats> {
    return await this.#handle.stat();
  }

  async chmodSelf(mode: number): Promise<void> {
    await this.#handle.chmod(mode);
  }

  async names(): Promise<string[]> {
    return await readdir(`/proc/self/fd/${this.#handle.fd}`);
  }

  /** A regular file, for reading; anything else is refused. */
  async read(name: string): Promise<FileHandle> {
    // O_NONBLOCK: a FIFO that the guest left must not hold us.
    const file = await open(this.#at(name), O_RDONLY | O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new CaissonError('PATH_ESCAPES', {
      layer: 'sandbox',
      message: `${name} is not a regular file`,
    });
  }

  async link(name: string): Promise<string> {
    return await readlink(this.#at(name));
  }

  async makeDirectory(name: string, mode: number): Promise<void> {
    await mkdir(this.#at(name), 0o700);
    await using made = await this.directory(name);
    await made.chmodSelf(mode);
  }

  /** Writes a file whole or not at all: beside it first, then renamed over it. */
  async replace(
    name: string,
    write: (file: FileHandle) => Promise<void>,
    mode: number,
  ): Promise<void> {
    const aside = `.caisson-${randomBytes(8).toString('hex')}`;
    const file = await open(this.#at(aside), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await write(file);
      await file.chmod(mode);
      await file.close();
      await rename(this.#at(aside), this.#at(name));
    } catch (error) {
      await file.close().catch(() => {});
      await unlink(this.#at(aside)).catch(() => {});
      throw error;
    }
  }

  async replaceLink(name: string, to: string): Promise<void> {
    const aside = `.caisson-${randomBytes(8).toString('hex')}`;
    await symlink(to, this.#at(aside));
    try {
      await rename(this.#at(aside), this.#at(name));
    } catch (error) {
      await unlink(this.#at(aside)).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #again(): Promise<Beneath> {
    return await Beneath.open(`/proc/self/fd/${this.#handle.fd}`);
  }

  #at(name: string): string {
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
      throw new CaissonError('PATH_ESCAPES', {
        layer: 'sandbox',
        message: `${JSON.stringify(name)} is not the name of a file`,
      });
    }
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException | null)?.code ?? '');
}

/**
 * What was listed is not there any more, or is something else: gone, a file in the place of a directory, a link, a directory,
 * no link, a device or socket, no regular file.
 */
export function isOther(error: unknown): boolean {
  const isNoFile = isCaissonError(error) && error.code === 'PATH_ESCAPES';
  return isNoFile || isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'EINVAL', 'ENXIO');
}

/** open(2), the same number on x86-64 and aarch64; Node does not name it. */
export const O_PATH = 0o10000000;

/** Gives ourselves back the way into directories of ours whose owner was left none. Follows no link, whoever makes one meanwhile. */
export async function openUp(directory: string): Promise<void> {
  const handle = await open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  try {
    // A descriptor of O_PATH takes no fchmod; the link in /proc leads to the very directory that was opened.
    const self = `/proc/self/fd/${handle.fd}`;
    const { mode } = await handle.stat();
    if ((mode & 0o700) !== 0o700) await chmod(self, (mode & 0o777) | 0o700);
    for (const entry of await readdir(self, { withFileTypes: true })) {
      if (entry.isDirectory()) await openUp(`${self}/${entry.name}`);
    }
  } finally {
    await handle.close();
  }
}
