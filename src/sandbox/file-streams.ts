/**
 * Files of a sandbox piece by piece, however large they are: at most two pieces are in memory.
 */
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { type FilesReply, type FilesRequest, fileFlag } from '../backends/backend.ts';
import { isCaissonError } from '../core/error.ts';
import type { Redactor } from './redact.ts';

/** One message carries at most this much of a file. */
export const FILE_PIECE = 512 * 1024;

/** Carried out by the agent inside. @throws FILE_FAILED, SANDBOX_CLOSED */
export type AskFiles = (request: FilesRequest) => Promise<FilesReply>;

export interface ReadStreamOptions {
  /** Of a link in the last component; default false: it is refused. */
  readonly follow?: boolean;
  /** Where to begin; default 0. Not with secrets that are looked for: half of one could not be told. */
  readonly offset?: number;
  /** At most so many bytes; default all. */
  readonly length?: number;
}

export interface WriteStreamOptions {
  /** Permission bits; default those that it has, 644 for a new one. */
  readonly mode?: number;
  /** It must not be there yet: FILE_FAILED with EEXIST. Default false. */
  readonly exclusive?: boolean;
}

/** The next piece is on its way while one is looked at. @param redactor replaces secrets in what is read */
export async function* readPieces(
  ask: AskFiles,
  redactor: Redactor | undefined,
  path: string,
  { follow = false, offset = 0, length = Number.POSITIVE_INFINITY }: ReadStreamOptions,
): AsyncGenerator<Buffer> {
  const flags = follow ? fileFlag.follow : 0;
  const end = offset + length;
  const next = (at: number): Promise<FilesReply> => {
    const asked = ask({
      op: 'read',
      path,
      offset: at,
      length: Math.min(FILE_PIECE, end - at),
      flags,
    });
    // Left early, nobody waits for it.
    asked.catch(() => {});
    return asked;
  };
  const redacted = redactor?.stream();
  try {
    let at = offset;
    let asked = at < end ? next(at) : undefined;
    while (asked !== undefined) {
      const { data } = await asked;
      at += data.length;
      const isLast = data.length === 0;
      asked = isLast || at >= end ? undefined : next(at);
      const shown = isLast ? Buffer.alloc(0) : (redacted?.add(data) ?? data);
      if (shown.length > 0) yield shown;
    }
    const rest = redacted?.end();
    if (rest !== undefined && rest.length > 0) yield rest;
  } finally {
    redacted?.close();
  }
}

/**
 * Makes or replaces a file, in one step at the end: who reads it meanwhile sees the old one, and a source that fails
 * leaves nothing. A link in its place is replaced, not written through.
 *
 * @returns how many bytes it has
 */
export async function writePieces(
  ask: AskFiles,
  path: string,
  source: AsyncIterable<Uint8Array>,
  { mode, exclusive = false }: WriteStreamOptions,
): Promise<number> {
  const kept = mode ?? (await modeOf(ask, path)) ?? 0o644;
  const beside = posix.join(
    posix.dirname(path),
    `.caisson-${randomBytes(9).toString('base64url')}.part`,
  );
  const flags = fileFlag.create | fileFlag.exclusive;
  // Each piece opens the file anew, so it stays writable until the last one.
  await ask({ op: 'write', path: beside, data: new Uint8Array(0), mode: 0o600, flags });
  try {
    let written = 0;
    let under: Promise<unknown> | undefined;
    for await (const piece of inPieces(source)) {
      await under;
      under = ask({ op: 'write', path: beside, offset: written, data: piece });
      under.catch(() => {});
      written += piece.length;
    }
    await under;
    await ask({ op: 'chmod', path: beside, mode: kept });
    const how = exclusive ? { flags: fileFlag.exclusive } : {};
    await ask({ op: 'rename', path: beside, second: path, ...how });
    return written;
  } catch (error) {
    await ask({ op: 'remove', path: beside }).catch(() => {});
    throw error;
  }
}

async function modeOf(ask: AskFiles, path: string): Promise<number | undefined> {
  try {
    const [entry] = (await ask({ op: 'stat', path })).entries;
    const isFile = entry !== undefined && (entry.mode & 0o170000) === 0o100000;
    return isFile ? entry.mode & 0o777 : undefined;
  } catch (error) {
    if (isCaissonError(error) && error.details.errno === 'ENOENT') return undefined;
    throw error;
  }
}

/** Gathers what comes in small pieces, and cuts what comes in large ones. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    held.push(chunk);
    size += chunk.length;
    if (size < FILE_PIECE) continue;
    const bytes = held.length === 1 ? (held[0] as Uint8Array) : Buffer.concat(held);
    let at = 0;
    for (; bytes.length - at >= FILE_PIECE; at += FILE_PIECE) {
      yield bytes.subarray(at, at + FILE_PIECE);
    }
    held = at === bytes.length ? [] : [bytes.subarray(at)];
    size = bytes.length - at;
  }
  if (size > 0) yield Buffer.concat(held);
}
