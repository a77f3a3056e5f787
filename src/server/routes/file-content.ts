/** What files hold: read and written, one by one or as trees. */
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { readFile, readTree, writeFile, writeTree } from '../../api/files.ts';
import { CaissonError, isCaissonError } from '../../core/error.ts';
import { Turns } from '../../core/turns.ts';
import type { FileInfo } from '../../sandbox/files.ts';
import type { ManagedSandbox } from '../../sandbox/manager/managed-sandbox.ts';
import type { Config } from '../config/config.ts';
import { Reply } from '../http/answer.ts';
import { partOf } from '../http/byte-range.ts';
import { implement } from '../http/implement.ts';
import { takeUpload } from '../http/upload.ts';
import { packTree } from '../pack-tree.ts';
import { unpackTree } from '../unpack-tree.ts';
import { type FileAccess, noFile } from './file-access.ts';
import { FileTag } from './file-etag.ts';

export function serveFileContent(
  app: FastifyInstance,
  { limits }: Config,
  access: FileAccess,
): void {
  const { uploadBytes, requestTimeoutMs: idleMs } = limits;
  const turns = new Turns();

  implement(app, readFile, async (asked) => {
    const { query, request, signal } = asked;
    const sandbox = access.find(asked);
    const { files } = sandbox;
    const follow = query.follow === 'true';
    const known = request.headers['if-none-match'];
    const seen = await FileTag.now(files, query.path, follow);
    if (seen.info.type !== 'file') throw noFile(query.path, seen.info.type);
    const isUnchanged = known !== undefined && seen.isAmong(known);
    const tag = isUnchanged ? seen : await FileTag.settled(files, query.path, follow);
    const { info, text: etag } = tag;
    const headers = { etag, 'content-disposition': 'attachment', ...datedOf(info) };
    if (isUnchanged) return new Reply(undefined, { status: 304, headers });
    // Half a secret could not be told; and what has no size, as in /proc, has no parts.
    const hasParts = !files.isRedacted && info.size > 0;
    const { range, 'if-range': ifRange } = request.headers;
    const isSame = ifRange === undefined || tag.isExactly(ifRange);
    const part = hasParts && isSame ? partOf(range, info.size) : undefined;
    if (part === 'none') {
      const told = { 'content-range': `bytes */${info.size}` };
      return new Reply(undefined, { status: 416, headers: told });
    }
    const length = part?.length ?? info.size;
    const pieces = files.readStream(query.path, {
      follow,
      ...(hasParts ? { offset: part?.offset ?? 0, length } : {}),
    });
    const body = await begun(sandbox, hasParts ? exactly(pieces, length) : pieces, signal);
    return new Reply(body, {
      ...(part === undefined ? {} : { status: 206 }),
      headers: {
        ...headers,
        ...(hasParts ? { 'content-length': String(length), 'accept-ranges': 'bytes' } : {}),
        ...(part === undefined
          ? {}
          : {
              'content-range': `bytes ${part.offset}-${part.offset + length - 1}/${info.size}`,
            }),
      },
    });
  });

  implement(
    app,
    writeFile,
    async (asked) => {
      const { query, body, params, request } = asked;
      const sandbox = access.find(asked);
      const { files } = sandbox;
      using _ = sandbox.busy();
      const path = posix.resolve(sandbox.cwd, query.path);
      const condition = request.headers['if-match'];
      // Between the last look and the write no other of these requests writes.
      await using turn = new Turn(turns, `${params.id} ${path}`);
      const exclusive = request.headers['if-none-match'] === '*';
      await requireMatch(sandbox, path, condition);
      await requireOther(sandbox, path, request.headers['if-none-match']);
      const upload = access.account(sandbox, asked.caller.tenant).begin(path, query.existing);
      try {
        const declared = request.headers['content-length'];
        const limits = { declared, mostBytes: uploadBytes, idleMs, count: upload.count };
        const size = await takeUpload(body, limits, async (chunks) => {
          if (query.parents === 'true') await files.mkdir(posix.dirname(path), { recursive: true });
          const mode = query.mode === undefined ? {} : { mode: Number.parseInt(query.mode, 8) };
          const { existing = 'replaced' } = query;
          const lookAgain = async (): Promise<void> => {
            if (condition === undefined) return;
            await turn.begin();
            await requireMatch(sandbox, path, condition);
          };
          if (existing === 'replaced' || exclusive) {
            const whole = behind(chunks, lookAgain);
            return await files.writeStream(path, whole, { exclusive, ...mode });
          }
          await lookAgain();
          return await writeInPlace(files, path, chunks, {
            append: existing === 'appended',
            ...mode,
          });
        });
        upload.done();
        const { text: etag } = await FileTag.settled(files, path);
        return new Reply({ size, etag }, { headers: { etag } });
      } catch (error) {
        upload.failed();
        throw exclusive && errnoOf(error) === 'EEXIST' ? notAsItWas(path, 'it is there') : error;
      }
    },
    { bodyLimit: uploadBytes },
  );

  implement(app, readTree, async (asked) => {
    const sandbox = access.find(asked);
    const archive = await packTree(sandbox.files, asked.query.path);
    return await begun(sandbox, archive, asked.signal);
  });

  implement(
    app,
    writeTree,
    async (asked) => {
      const { query, body, caller, request } = asked;
      const sandbox = access.find(asked);
      using _ = sandbox.busy();
      const path = posix.resolve(sandbox.cwd, query.path);
      const upload = access.account(sandbox, caller.tenant).begin(`${path === '/' ? '' : path}/`);
      try {
        const declared = request.headers['content-length'];
        const limits = { declared, mostBytes: uploadBytes, idleMs, count: upload.count };
        const made = await takeUpload(body, limits, (chunks) =>
          unpackTree(sandbox.files, path, chunks),
        );
        upload.done();
        return made;
      } catch (error) {
        upload.failed();
        throw error;
      }
    },
    { bodyLimit: uploadBytes },
  );
}

/** The same; then something is looked at, before whoever takes it comes to its end. */
async function* behind<T>(chunks: AsyncIterable<T>, look: () => Promise<void>): AsyncGenerator<T> {
  yield* chunks;
  await look();
}

/** Begun in the midst of something else, and ended with it. */
class Turn implements AsyncDisposable {
  readonly #turns: Turns;
  readonly #key: string;
  readonly #over = Promise.withResolvers<void>();

  constructor(turns: Turns, key: string) {
    this.#turns = turns;
    this.#key = key;
  }

  /** Settles when those before are over. */
  begin(): Promise<void> {
    const begun = Promise.withResolvers<void>();
    this.#turns
      .take(this.#key, () => {
        begun.resolve();
        return this.#over.promise;
      })
      .catch(begun.reject);
    return begun.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.resolve();
  }
}

/** As the library’s own `write` does, however much it is. @returns how many bytes came */
async function writeInPlace(
  files: ManagedSandbox['files'],
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { append, mode }: { readonly append: boolean; readonly mode?: number },
): Promise<number> {
  let written = 0;
  await files.write(path, '', { append });
  for await (const chunk of chunks) {
    await files.write(path, chunk, { append: true });
    written += chunk.length;
  }
  if (mode !== undefined) await files.chmod(path, mode);
  return written;
}

/** Its first piece is there: what cannot be read is answered with a status. It ends with its client. */
async function begun(
  sandbox: ManagedSandbox,
  pieces: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<Readable> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first = await iterator.next();
  const stream = Readable.from(
    (async function* () {
      using _ = sandbox.busy();
      try {
        for (let next = first; next.done !== true; next = await iterator.next()) yield next.value;
      } finally {
        await iterator.return?.();
      }
    })(),
    { objectMode: false, highWaterMark: 64 * 1024 },
  );
  const leave = (): void => {
    stream.destroy();
    // Of a stream that nobody has begun to read.
    iterator.return?.()?.catch(() => {});
  };
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  return stream;
}

/** @throws INTERNAL where it became shorter meanwhile: the connection breaks, so that nobody takes it for the whole */
async function* exactly(pieces: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let left = length;
  for await (const piece of pieces) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) throw new Error('the file became shorter while it was read');
}

/** @throws PRECONDITION_FAILED */
async function requireMatch(
  { files }: ManagedSandbox,
  path: string,
  wanted: string | undefined,
): Promise<void> {
  if (wanted === undefined) return;
  const tag = await tagAt(files, path);
  if (tag?.isAmong(wanted) === true) return;
  throw notAsItWas(path, tag === undefined ? 'it is not there' : `its ETag is ${tag.text}`);
}

/** `If-None-Match` of a write; where it is `*`, the write itself is exclusive. @throws PRECONDITION_FAILED */
async function requireOther(
  { files }: ManagedSandbox,
  path: string,
  unwanted: string | undefined,
): Promise<void> {
  if (unwanted === undefined || unwanted === '*') return;
  const tag = await tagAt(files, path);
  if (tag?.mayBeAmong(unwanted) !== true) return;
  throw notAsItWas(path, `its ETag is ${tag.text}`);
}

async function tagAt(files: ManagedSandbox['files'], path: string): Promise<FileTag | undefined> {
  try {
    return await FileTag.now(files, path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function datedOf({ modifiedMs }: FileInfo): { 'last-modified'?: string } {
  const date = new Date(modifiedMs);
  return Number.isNaN(date.getTime()) ? {} : { 'last-modified': date.toUTCString() };
}

function errnoOf(error: unknown): unknown {
  return isCaissonError(error) ? error.details.errno : undefined;
}

function notAsItWas(path: string, how: string): CaissonError {
  return new CaissonError('PRECONDITION_FAILED', {
    layer: 'server',
    message: `${path} was not written: ${how}`,
    hint: 'read it again, and write with the ETag that it has then',
  });
}
