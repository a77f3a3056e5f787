/**
 * Files of a sandbox of a service, in the shape of the library's. Each request is carried out inside, with the guest's
 * rights. Over 300 lines: one class, as long as that shape.
 */

import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import {
  changeMode,
  fileEvent,
  listFiles,
  makeDirectory,
  makeLink,
  moveFile,
  readFile,
  readTree,
  removeFile,
  statFile,
  type WireFileInfo,
  watchFiles,
  writeFile,
  writeTree,
} from '../api/files.ts';
import type { Route } from '../api/route.ts';
import { CaissonError, isCaissonError } from '../core/error.ts';
import { safeParse } from '../core/safe-parse.ts';
import { checkOptions } from '../policy/known-options.ts';
import { Beneath } from '../sandbox/beneath.ts';
import { bytePieces } from '../sandbox/byte-pieces.ts';
import { onHost } from '../sandbox/file-failed.ts';
import type { ReadStreamOptions, WriteStreamOptions } from '../sandbox/file-streams.ts';
import type { FileInfo, ListedFile } from '../sandbox/files.ts';
import {
  LONGEST_MS,
  requireContent,
  requireHostPath,
  requireMode,
  requirePart,
  requireText,
  requireWhole,
} from '../sandbox/given-values.ts';
import { FILES } from '../sandbox/option-kinds.ts';
import type { FileEvent, WatchOptions } from '../sandbox/watch.ts';
import { eventsOf } from './events.ts';
import { notPlain, packHostTree, unpackHostTree } from './host-tree.ts';
import { cut, remoteFailed } from './remote-answer.ts';
import type { SharedFiles } from './shared.ts';
import type { AskOptions, Transport } from './transport.ts';

const PAGE = 1000;
const WATCH_EVERY_MS = 200;
/** What a service looks at least. */
const LEAST_WATCH_MS = 50;
const OCTETS = { 'content-type': 'application/octet-stream' } as const;
type WriteQuery = NonNullable<AskOptions<typeof writeFile>['query']>;

export class RemoteFiles implements SharedFiles {
  readonly #transport: Transport;
  readonly #params: { readonly id: string };

  /** @param id of the sandbox */
  constructor(transport: Transport, id: string) {
    this.#transport = transport;
    this.#params = { id };
  }

  async read(path: string, options: { follow?: boolean } = {}): Promise<Buffer> {
    checkOptions(options, 'read', FILES.read, 'client');
    return Buffer.concat(await Array.fromAsync(this.readStream(path, options)));
  }

  async readText(path: string): Promise<string> {
    return (await this.read(path)).toString('utf8');
  }

  async readPart(path: string, offset: number, length: number): Promise<Buffer> {
    requirePart(offset, length, 'client');
    return Buffer.concat(await Array.fromAsync(this.readStream(path, { offset, length })));
  }

  /** Where secrets are replaced in what is read, a part is one of what is shown. */
  readStream(path: string, options: ReadStreamOptions = {}): AsyncGenerator<Buffer> {
    checkOptions(options, 'readStream', FILES.readStream, 'client');
    requirePart(options.offset ?? 0, options.length ?? 0, 'client');
    requirePath(path);
    return this.#readStream(path, options);
  }

  async *#readStream(path: string, options: ReadStreamOptions): AsyncGenerator<Buffer> {
    const { follow = false, offset = 0, length = Number.POSITIVE_INFINITY } = options;
    const isPart = offset > 0 || length < Number.POSITIVE_INFINITY;
    if (length === 0) return;
    const last = length === Number.POSITIVE_INFINITY ? '' : String(offset + length - 1);
    const response = await this.#transport.open(readFile, {
      params: this.#params,
      query: { path, ...(follow ? { follow: 'true' as const } : {}) },
      headers: isPart ? { range: `bytes=${offset}-${last}` } : {},
      also: [416],
    });
    try {
      if (response.statusCode === 416) return;
      // What has no parts, such as a file of /proc, comes whole.
      let skip = response.statusCode === 206 ? 0 : offset;
      let left = length;
      for await (const piece of response as AsyncIterable<Buffer>) {
        const part = piece.subarray(skip).subarray(0, left);
        skip -= Math.min(skip, piece.length);
        left -= part.length;
        if (part.length > 0) yield part;
        if (left <= 0) return;
      }
    } catch (cause) {
      throw cut(cause);
    } finally {
      if (!response.complete) response.destroy();
      else response.resume();
    }
  }

  async write(
    path: string,
    content: string | Uint8Array,
    options: { mode?: number; append?: boolean } = {},
  ): Promise<void> {
    checkOptions(options, 'write', FILES.write, 'client');
    requireContent(content, 'write', 'client');
    requirePath(path);
    const { mode, append = false } = options;
    await this.#write(path, typeof content === 'string' ? Buffer.from(content) : content, {
      existing: append ? 'appended' : 'overwritten',
      ...(mode === undefined ? {} : { mode: octal(mode) }),
    });
  }

  async writeStream(
    path: string,
    source: AsyncIterable<Uint8Array>,
    options: WriteStreamOptions = {},
  ): Promise<number> {
    checkOptions(options, 'writeStream', FILES.writeStream, 'client');
    requirePath(path);
    const { mode, exclusive = false } = options;
    const pieces = bytePieces(source, 'client');
    const query = mode === undefined ? {} : { mode: octal(mode) };
    try {
      return await this.#write(
        path,
        pieces,
        query,
        exclusive ? { 'if-none-match': '*' } : undefined,
      );
    } catch (error) {
      if (!isCaissonError(error) || error.code !== 'PRECONDITION_FAILED') throw error;
      throw failed('rename', path, 'file already exists', 'EEXIST');
    }
  }

  async stat(path: string, options: { follow?: boolean } = {}): Promise<FileInfo> {
    checkOptions(options, 'stat', FILES.stat, 'client');
    return infoOf(await this.#stat(path, options.follow === true));
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.#stat(path, false);
      return true;
    } catch (error) {
      if (isCaissonError(error) && error.code === 'FILE_FAILED') return false;
      throw error;
    }
  }

  async list(path = '.', options: { most?: number } = {}): Promise<ListedFile[]> {
    checkOptions(options, 'list', FILES.list, 'client');
    requireWhole(options.most, 'list: most', { most: Number.POSITIVE_INFINITY }, 'client');
    const { most = Number.POSITIVE_INFINITY } = options;
    const out: ListedFile[] = [];
    let after: number | undefined = 0;
    while (after !== undefined && out.length < most) {
      const part: Awaited<ReturnType<RemoteFiles['page']>> = await this.page(path, {
        after,
        limit: Math.min(PAGE, most - out.length),
      });
      out.push(...part.entries);
      after = part.next;
    }
    return out.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async page(
    path = '.',
    options: { after?: number; limit?: number } = {},
  ): Promise<{ entries: ListedFile[]; next?: number }> {
    checkOptions(options, 'page', FILES.page, 'client');
    requireWhole(options.after, 'page: after', {}, 'client');
    requireWhole(options.limit, 'page: limit', { least: 1 }, 'client');
    requirePath(path);
    const { after = 0, limit = PAGE } = options;
    const query = {
      path,
      limit: Math.min(PAGE, limit),
      ...(after > 0 ? { after } : {}),
    };
    const { items, next } = await this.#ask(listFiles, { query });
    const entries = items.map(({ name, ...info }) => ({ name, ...infoOf(info) }));
    return { entries, ...(next === undefined ? {} : { next }) };
  }

  async mkdir(path: string, options: { recursive?: boolean; mode?: number } = {}): Promise<void> {
    checkOptions(options, 'mkdir', FILES.mkdir, 'client');
    const { recursive = false, mode } = options;
    const body = { path, recursive, ...(mode === undefined ? {} : { mode: octal(mode) }) };
    await this.#ask(makeDirectory, { body });
  }

  async remove(path: string, options: { recursive?: boolean } = {}): Promise<void> {
    checkOptions(options, 'remove', FILES.remove, 'client');
    requirePath(path);
    const recursive = options.recursive === true ? { recursive: 'true' as const } : {};
    await this.#ask(removeFile, { query: { path, ...recursive } });
  }

  async move(from: string, to: string): Promise<void> {
    await this.#ask(moveFile, { body: { from, to } });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#ask(changeMode, { body: { path, mode: octal(mode) } });
  }

  async readLink(path: string): Promise<string> {
    const { target } = await this.#stat(path, false);
    if (target !== undefined) return target;
    throw failed('readlink', path, 'invalid argument', 'EINVAL');
  }

  async makeLink(path: string, to: string): Promise<void> {
    await this.#ask(makeLink, { body: { path, target: to } });
  }

  /** Breaks off with its connection: what changed meanwhile could not be told. */
  watch(path = '.', options: WatchOptions = {}): AsyncGenerator<FileEvent> {
    checkOptions(options, 'watch', FILES.watch, 'client');
    requireWhole(options.intervalMs, 'watch: intervalMs', { least: 1, most: LONGEST_MS }, 'client');
    requireWhole(
      options.most,
      'watch: most',
      { least: 1, most: Number.POSITIVE_INFINITY },
      'client',
    );
    requirePath(path);
    return this.#watch(path, options);
  }

  async *#watch(path: string, options: WatchOptions): AsyncGenerator<FileEvent> {
    const { intervalMs = WATCH_EVERY_MS, recursive = true, most, signal } = options;
    const query = {
      path,
      intervalMs: Math.max(LEAST_WATCH_MS, intervalMs),
      ...(recursive ? {} : { recursive: 'false' as const }),
      ...(most === undefined || most === Number.POSITIVE_INFINITY ? {} : { most }),
    };
    const params = this.#params;
    try {
      for await (const { event, data } of eventsOf(this.#transport, watchFiles, {
        params,
        query,
        signal,
      })) {
        if (event !== 'change') continue;
        const change = safeParse(fileEvent, data);
        if (!change.success) throw remoteFailed('it sent a change that is none');
        yield change.data;
      }
    } catch (error) {
      // As of a sandbox of this machine: the signal ends it, and nothing is wrong.
      if (signal?.aborted !== true) throw error;
    }
  }

  async upload(from: string, to: string): Promise<void> {
    requireHostPath(from, 'client');
    requirePath(to);
    await onHost('upload', from, 'client', () => this.#upload(from, to));
  }

  async #upload(from: string, to: string): Promise<void> {
    const stat = await lstat(from);
    if (stat.isSymbolicLink()) return await this.makeLink(to, await readlink(from));
    const mode = stat.mode & 0o777;
    if (stat.isDirectory()) {
      await this.mkdir(to, { recursive: true, mode });
      const stream = Readable.from(packHostTree(from), { objectMode: false });
      await this.#put(writeTree, { query: { path: to }, stream }, 'application/x-tar');
      return;
    }
    if (!stat.isFile()) throw notPlain('upload', from);
    await using file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
    const source = file.createReadStream({ autoClose: false });
    await this.#write(to, source as AsyncIterable<Uint8Array>, {
      existing: 'overwritten',
      mode: octal(mode),
    });
  }

  /**
   * As the library's, but of a directory what is neither file, directory nor link is left out. Nothing is written
   * outside of `to`, whatever the archive says.
   */
  async download(from: string, to: string): Promise<void> {
    requirePath(from);
    requireHostPath(to, 'client');
    await onHost('download', to, 'client', () => this.#download(from, to));
  }

  async #download(from: string, to: string): Promise<void> {
    await using parent = await Beneath.open(posix.dirname(posix.resolve(to)));
    const name = posix.basename(posix.resolve(to));
    const { type, mode, target } = await this.#stat(from, false);
    if ((await parent.stat(name)) !== undefined) throw failed('download', to, 'it exists already');
    const bits = Number.parseInt(mode, 8) & 0o777;
    if (type === 'link') return await parent.replaceLink(name, target ?? '');
    if (type === 'file') {
      return await parent.replace(
        name,
        async (file) => {
          for await (const piece of this.readStream(from)) await file.appendFile(piece);
        },
        bits,
      );
    }
    if (type !== 'directory') throw notPlain('download', from);
    await parent.makeDirectory(name, 0o700);
    await using into = await parent.directory(name);
    const response = await this.#transport.open(readTree, {
      params: this.#params,
      query: { path: from },
    });
    try {
      await unpackHostTree(whole(response), into);
    } finally {
      response.destroy();
    }
    await into.chmodSelf(bits);
  }

  async #stat(path: string, follow: boolean): Promise<WireFileInfo> {
    requirePath(path);
    return await this.#ask(statFile, {
      query: { path, ...(follow ? { follow: 'true' as const } : {}) },
    });
  }

  async #write(
    path: string,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    query: Omit<WriteQuery, 'path'>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const stream =
      content instanceof Uint8Array ? content : Readable.from(content, { objectMode: false });
    const options = { query: { path, ...query }, stream, headers };
    return (await this.#put(writeFile, options, OCTETS['content-type'])).size;
  }

  /** What the source of a body throws is what is thrown. */
  async #put<R extends typeof writeFile | typeof writeTree>(
    route: R,
    options: Omit<AskOptions<R>, 'params'>,
    type: string,
  ) {
    const { stream, headers } = options;
    let fault: unknown;
    if (stream instanceof Readable) {
      stream.once('error', (error) => {
        fault = error;
      });
    }
    try {
      return await this.#ask(route, { ...options, headers: { 'content-type': type, ...headers } });
    } catch (error) {
      throw fault ?? error;
    }
  }

  async #ask<R extends Route>(route: R, options: Omit<AskOptions<R>, 'params'>) {
    return await this.#transport.ask(route, {
      ...options,
      params: this.#params as AskOptions<R>['params'],
    } as AskOptions<R>);
  }
}

function requirePath(path: string): void {
  requireText(path, 'the path of a file', 'client');
}

async function* whole(response: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* response;
  } catch (cause) {
    throw cut(cause);
  }
}

function infoOf({ type, mode, size, modifiedMs }: WireFileInfo): FileInfo {
  return { type, mode: Number.parseInt(mode, 8), size, modifiedMs };
}

/** @throws REQUEST_INVALID */
function octal(mode: number): string {
  requireMode(mode ?? Number.NaN, 'client');
  return mode.toString(8).padStart(3, '0');
}

function failed(op: string, path: string, reason: string, errno?: string): CaissonError {
  return new CaissonError('FILE_FAILED', {
    layer: 'client',
    message: `${op} ${path}: ${reason}`,
    details: { op, path, ...(errno === undefined ? {} : { errno }) },
  });
}
