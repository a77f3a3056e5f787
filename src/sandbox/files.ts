/**
 * Files inside an open sandbox, as the guest sees them. Every request is carried out by an agent inside, with the
 * guest's rights: a link that the guest planted leads inside its own root alone.
 */
import { constants } from 'node:fs';
import { posix } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import {
  type FilesEntry,
  type FilesReply,
  type FilesRequest,
  fileFlag,
  type OpenSandbox,
} from '../backends/backend.ts';
import { CaissonError } from '../core/error.ts';
import { checkOptions } from '../policy/known-options.ts';
import { bytePieces } from './byte-pieces.ts';
import { fileFailed, onHost } from './file-failed.ts';
import {
  FILE_PIECE as CHUNK,
  type ReadStreamOptions,
  readPieces,
  type WriteStreamOptions,
  writePieces,
} from './file-streams.ts';
import { type FileVersion, versionOf } from './file-version.ts';
import {
  LONGEST_MS,
  requireContent,
  requireHostPath,
  requireMode,
  requirePart,
  requireText,
  requireWhole,
} from './given-values.ts';
import { copyIn, copyOut } from './host-copies.ts';
import { FILES } from './option-kinds.ts';
import type { Redactor } from './redact.ts';
import { removeWithin } from './remove-within.ts';
import { type FileEvent, type WatchOptions, watchTree } from './watch.ts';

export interface FileInfo {
  readonly type: 'file' | 'directory' | 'link' | 'special';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Unix milliseconds, with what is below one behind the point. */
  readonly modifiedMs: number;
}

export interface ListedFile extends FileInfo {
  readonly name: string;
}

export class SandboxFiles {
  readonly #sandbox: OpenSandbox;
  readonly #cwd: string;
  readonly #redactor: Redactor | undefined;

  /** @param cwd what relative paths start from, inside; `redactor` replaces secrets in what is read */
  constructor(sandbox: OpenSandbox, cwd: string, redactor?: Redactor) {
    this.#redactor = redactor;
    this.#sandbox = sandbox;
    this.#cwd = cwd;
  }

  /** A whole file. Does not follow a link in the last component unless told to. */
  async read(path: string, options: { follow?: boolean } = {}): Promise<Buffer> {
    checkOptions(options, 'read', FILES.read);
    const parts: Buffer[] = [];
    for (let offset = 0; ; ) {
      const flags = options.follow === true ? fileFlag.follow : 0;
      const reply = await this.#ask({ op: 'read', path, offset, length: CHUNK, flags });
      if (reply.data.length === 0) break;
      parts.push(reply.data);
      offset += reply.data.length;
    }
    const bytes = Buffer.concat(parts);
    return this.#redactor?.bytes(bytes) ?? bytes;
  }

  /**
   * A part of a file, however large that is. Does not follow a link in the last component.
   *
   * @returns fewer than `length` bytes where the file ends
   */
  async readPart(path: string, offset: number, length: number): Promise<Buffer> {
    requirePart(offset, length);
    const redacted = this.#redactor?.stream();
    const parts: Buffer[] = [];
    // A value could begin before the part: it is looked for from the beginning of the file on.
    let at = redacted === undefined ? offset : 0;
    let shown = at;
    try {
      while (shown < offset + length) {
        const wanted = redacted === undefined ? Math.min(CHUNK, offset + length - at) : CHUNK;
        const { data } = await this.#ask({ op: 'read', path, offset: at, length: wanted });
        at += data.length;
        const ended = data.length === 0;
        const piece = (ended ? redacted?.end() : redacted?.add(data)) ?? data;
        parts.push(piece.subarray(Math.max(0, offset - shown)));
        shown += piece.length;
        if (ended) break;
      }
    } finally {
      redacted?.close();
    }
    return Buffer.concat(parts).subarray(0, length);
  }

  /**
   * A file of whatever size, piece by piece. Does not follow a link in the last component unless told to.
   *
   * @throws REQUEST_INVALID for a part of a file where secrets are replaced in what is read
   * @example for await (const piece of sandbox.files.readStream('big')) out.write(piece);
   */
  readStream(path: string, options: ReadStreamOptions = {}): AsyncGenerator<Buffer> {
    checkOptions(options, 'readStream', FILES.readStream);
    requirePart(options.offset ?? 0, options.length ?? 0);
    if (this.isRedacted && (options.offset !== undefined || options.length !== undefined)) {
      throw new CaissonError('REQUEST_INVALID', {
        layer: 'sandbox',
        message: 'secrets are replaced in what is read: a part of a file cannot be',
        hint: 'read it from its beginning',
      });
    }
    return readPieces((asked) => this.#ask(asked), this.#redactor, this.#resolve(path), options);
  }

  /** Secrets are replaced in what is read, so that it may have another length. */
  get isRedacted(): boolean {
    return this.#redactor !== undefined;
  }

  async readText(path: string): Promise<string> {
    return (await this.read(path)).toString('utf8');
  }

  /** Makes or replaces a file. */
  async write(
    path: string,
    content: string | Uint8Array,
    options: { mode?: number; append?: boolean } = {},
  ): Promise<void> {
    checkOptions(options, 'write', FILES.write);
    requireMode(options.mode);
    requireContent(content, 'write');
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const append = options.append === true;
    const mode = options.mode ?? 0o644;
    const first = bytes.subarray(0, CHUNK);
    const flags = fileFlag.create | (append ? fileFlag.append : fileFlag.truncate);
    // Each piece opens the file anew, so it stays writable until the last one.
    await this.#ask({ op: 'write', path, data: first, mode: mode | 0o600, flags });
    for (let offset = first.length; offset < bytes.length; offset += CHUNK) {
      const data = bytes.subarray(offset, offset + CHUNK);
      const where = append ? { flags: fileFlag.append } : { offset };
      await this.#ask({ op: 'write', path, data, ...where });
    }
    if (options.mode !== undefined) await this.chmod(path, mode);
  }

  /**
   * Makes or replaces a file with what comes, in one step at the end; a link in its place is replaced.
   *
   * @returns its length in bytes
   */
  async writeStream(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteStreamOptions = {},
  ): Promise<number> {
    checkOptions(options, 'writeStream', FILES.writeStream);
    requireMode(options.mode);
    const pieces = bytePieces(source);
    return await writePieces((asked) => this.#ask(asked), this.#resolve(path), pieces, options);
  }

  async stat(path: string, options: { follow?: boolean } = {}): Promise<FileInfo> {
    checkOptions(options, 'stat', FILES.stat);
    return infoOf(await this.#stat(path, options));
  }

  /** As {@link stat}, with the version of it that is there. @internal */
  async statVersion(
    path: string,
    options: { follow?: boolean } = {},
  ): Promise<{ readonly info: FileInfo; readonly version: FileVersion }> {
    checkOptions(options, 'statVersion', FILES.stat);
    const entry = await this.#stat(path, options);
    const version = versionOf(entry);
    if (version === undefined) throw fileFailed('stat', path, 'no version is told');
    return { info: infoOf(entry), version };
  }

  async exists(path: string): Promise<boolean> {
    const { errno } = await this.#sandbox.files({ op: 'stat', path: this.#resolve(path) });
    return errno === 0;
  }

  /** @param options `most`: so many entries at most, whichever the file system names first; default all */
  async list(path = '.', options: { most?: number } = {}): Promise<ListedFile[]> {
    checkOptions(options, 'list', FILES.list);
    requireWhole(options.most, 'list: most', { most: Number.POSITIVE_INFINITY });
    const { most = Number.POSITIVE_INFINITY } = options;
    const out: ListedFile[] = [];
    for (let offset = 0; out.length < most; ) {
      const reply = await this.#ask({ op: 'list', path, offset });
      for (const entry of reply.entries) out.push({ name: entry.name, ...infoOf(entry) });
      if (!reply.more || reply.entries.length === 0) break;
      // The agent says where to go on.
      offset = reply.size;
    }
    if (out.length > most) out.length = most;
    return out.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * A part of a directory, in the order of its file system, so that a very large one can be looked through.
   *
   * @param options `after`: `next` of the part before; `limit`: entries, default and at most what fits into one message
   * @returns `next` is absent at the end
   */
  async page(
    path = '.',
    options: { after?: number; limit?: number } = {},
  ): Promise<{ entries: ListedFile[]; next?: number }> {
    checkOptions(options, 'page', FILES.page);
    requireWhole(options.after, 'page: after', {});
    requireWhole(options.limit, 'page: limit', { least: 1 });
    const { after = 0, limit } = options;
    const length = limit === undefined ? {} : { length: limit };
    const { entries, more, size } = await this.#ask({ op: 'list', path, offset: after, ...length });
    const listed = entries.map((entry) => ({ name: entry.name, ...infoOf(entry) }));
    return { entries: listed, ...(more && size > after ? { next: size } : {}) };
  }

  async mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): Promise<void> {
    checkOptions(options, 'mkdir', FILES.mkdir);
    requireMode(options.mode);
    const flags = options.recursive === true ? fileFlag.recursive : 0;
    await this.#ask({ op: 'mkdir', path, mode: options.mode ?? 0o755, flags });
  }

  /**
   * @param options `withinMs`: how long a tree may take, default a minute; a guest can fill it as fast as it is emptied
   * @throws FILE_FAILED with EAGAIN where that is over: some of it is gone
   */
  async remove(
    path: string,
    options: { recursive?: boolean; withinMs?: number } = {},
  ): Promise<void> {
    checkOptions(options, 'remove', FILES.remove);
    requireWhole(options.withinMs, 'remove: withinMs', {});
    const flags = options.recursive === true ? fileFlag.recursive : 0;
    await removeWithin(
      (asked) => this.#ask(asked),
      { op: 'remove', path, flags },
      options.withinMs,
    );
  }

  async move(from: string, to: string): Promise<void> {
    await this.#ask({ op: 'rename', path: from, second: this.#resolve(to) });
  }

  async chmod(path: string, mode: number): Promise<void> {
    requireMode(mode ?? Number.NaN);
    await this.#ask({ op: 'chmod', path, mode });
  }

  async readLink(path: string): Promise<string> {
    return (await this.#ask({ op: 'readlink', path })).data.toString('utf8');
  }

  async makeLink(path: string, to: string): Promise<void> {
    requireText(to, 'what a link leads to');
    await this.#ask({ op: 'symlink', path, second: to });
  }

  /** What changes below a path, found by looking again and again (every 200 ms unless told otherwise). */
  watch(path = '.', options: WatchOptions = {}): AsyncIterable<FileEvent> {
    checkOptions(options, 'watch', FILES.watch);
    requireWhole(options.intervalMs, 'watch: intervalMs', { least: 1, most: LONGEST_MS });
    requireWhole(options.most, 'watch: most', { least: 1, most: Number.POSITIVE_INFINITY });
    return watchTree(this, path, options);
  }

  /** Copies a host file or tree in. Links are copied as links, never followed; other special files are refused. */
  async upload(from: string, to: string): Promise<void> {
    requireHostPath(from);
    requireText(to, 'the path of a file');
    await onHost('upload', from, 'sandbox', () =>
      copyIn(this, (asked) => this.#ask(asked), from, to),
    );
  }

  /**
   * Copies a file or tree out, to a host path that must not exist yet. Nothing is written outside of it, whatever links
   * the guest has made: links are made as links, and never written through.
   */
  async download(from: string, to: string): Promise<void> {
    requireText(from, 'the path of a file');
    requireHostPath(to);
    await onHost('download', to, 'sandbox', () => copyOut(this, from, to));
  }

  async #stat(path: string, { follow = false }: { follow?: boolean }): Promise<FilesEntry> {
    const flags = follow ? fileFlag.follow : 0;
    const [entry] = (await this.#ask({ op: 'stat', path, flags })).entries;
    if (entry === undefined) throw fileFailed('stat', path, 'no answer');
    return entry;
  }

  async #ask(request: FilesRequest): Promise<FilesReply> {
    const reply = await this.#sandbox.files({ ...request, path: this.#resolve(request.path) });
    if (reply.errno === 0) return reply;
    const [name, text] = getSystemErrorMap().get(-reply.errno) ?? [`${reply.errno}`, 'failed'];
    throw fileFailed(request.op, request.path, text, name);
  }

  #resolve(path: string): string {
    requireText(path, 'the path of a file');
    return posix.resolve(this.#cwd, path);
  }
}

/** File types of stat(2), inode(7). */
function infoOf(entry: { mode: number; size: number; mtimeNs: bigint }): FileInfo {
  return {
    type: typeOfMode(entry.mode),
    mode: entry.mode & 0o7777,
    size: entry.size,
    modifiedMs: Number(entry.mtimeNs) / 1e6,
  };
}

function typeOfMode(mode: number): FileInfo['type'] {
  const kind = mode & constants.S_IFMT;
  if (kind === constants.S_IFREG) return 'file';
  if (kind === constants.S_IFDIR) return 'directory';
  return kind === constants.S_IFLNK ? 'link' : 'special';
}
