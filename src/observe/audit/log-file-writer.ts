/**
 * Puts lines into the files of a log. A batch is written at its place in the file, and written again at the same place
 * when it failed half-way, so that trying again repeats nothing.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Lines that go into one file, and what waits for them. */
export interface Batch {
  readonly path: string;
  readonly lines: string[];
  /** For the file of columns beside it. */
  readonly columns: string[];
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly device: number;
  readonly inode: number;
  position: number;
}

/** The file is not where it was: what is written now nobody would find. */
export class LogVanished extends Error {
  override readonly name = 'LogVanished';
}

export class LogFileWriter {
  #file: OpenFile | undefined;
  #columns: OpenFile | undefined;
  #dirty = false;

  /** Of the file that is written into; undefined before the first, and while the next is made. */
  get path(): string | undefined {
    return this.#file?.path;
  }

  /** Goes on with a file that is there. */
  async resume(path: string, bytes: number): Promise<void> {
    this.#file = await openAt(path, 'r+', bytes);
  }

  /**
   * @param onWritten called when the kernel has the lines: the end of this process loses none of them from then on
   * @throws what the kernel says; {@link LogVanished}
   */
  async write(batch: Batch, sync: boolean, onWritten: () => void): Promise<void> {
    if (this.#file?.path !== batch.path) await this.#change(batch.path);
    const file = this.#file;
    if (file === undefined) throw new LogVanished(batch.path);
    const bytes = Buffer.from(batch.lines.join(''));
    await writeAt(file, bytes);
    onWritten();
    const columns = batch.columns.length === 0 ? undefined : await this.#columnsFile(batch.path);
    const columnBytes = Buffer.from(batch.columns.join(''));
    if (columns !== undefined) await writeAt(columns, columnBytes);
    this.#dirty = true;
    if (sync) await this.sync();
    await this.checkPlace();
    file.position += bytes.length;
    if (columns !== undefined) columns.position += columnBytes.length;
  }

  async sync(): Promise<void> {
    if (!this.#dirty) return;
    await this.#file?.handle.datasync();
    this.#dirty = false;
  }

  /** @throws LogVanished where path and open file are two things by now */
  async checkPlace(): Promise<void> {
    if (this.#file === undefined) return;
    const { path, device, inode } = this.#file;
    const there = await stat(path).catch(() => undefined);
    if (there?.ino !== inode || there.dev !== device) throw new LogVanished(`${path} is gone`);
  }

  async close(): Promise<void> {
    const open = [this.#file, this.#columns];
    this.#file = undefined;
    this.#columns = undefined;
    for (const file of open) await file?.handle.close();
  }

  async #change(path: string): Promise<void> {
    await this.sync();
    await this.close();
    // A file of that name that is there already was left half-made by an attempt that failed.
    this.#file = await openAt(path, 'w', 0);
    await syncDirectory(dirname(path));
  }

  async #columnsFile(log: string): Promise<OpenFile> {
    const path = log.replace(/\.jsonl$/, '.psv');
    if (this.#columns?.path !== path) {
      await this.#columns?.handle.close();
      this.#columns = undefined;
      const bytes = await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
      this.#columns = await openAt(path, bytes > 0 ? 'r+' : 'w', bytes);
    }
    return this.#columns;
  }
}

async function openAt(path: string, flags: 'w' | 'r+', position: number): Promise<OpenFile> {
  const handle = await open(path, flags, 0o600);
  const { dev: device, ino: inode } = await handle.stat();
  return { path, handle, device, inode, position };
}

async function writeAt(file: OpenFile, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.handle.write(
      bytes,
      done,
      bytes.length - done,
      file.position + done,
    );
    done += bytesWritten;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
