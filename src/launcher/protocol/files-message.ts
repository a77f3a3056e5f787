/**
 * File requests to a sandbox and their answers (protocol/PROTOCOL.md, "Files"); answered in C by native/launcher/files.c.
 */
import {
  FieldWriter,
  malformed,
  readAmount,
  readFields,
  readI32,
  readStr,
  readU32,
  readU64,
} from './fields.ts';
import { FRAME_HEADER, finishFrame, frameType } from './frame.ts';

export const fileOp = {
  stat: 1,
  list: 2,
  read: 3,
  write: 4,
  mkdir: 5,
  remove: 6,
  rename: 7,
  chmod: 8,
  readlink: 9,
  symlink: 10,
} as const;

export const fileFlag = {
  create: 1,
  truncate: 2,
  exclusive: 4,
  recursive: 8,
  append: 16,
  follow: 32,
} as const;

export interface FilesRequest {
  readonly op: keyof typeof fileOp;
  /** Inside the sandbox, absolute. */
  readonly path: string;
  readonly offset?: number;
  readonly length?: number;
  readonly data?: Uint8Array;
  readonly mode?: number;
  /** New name of a rename, or what a symlink points to. */
  readonly second?: string;
  /** Bits of {@link fileFlag}. */
  readonly flags?: number;
}

export interface FilesEntry {
  readonly name: string;
  /** st_mode of stat(2): type and permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of a stat alone. */
  readonly inode?: bigint;
  /** st_ctim, which no program can set. */
  readonly ctimeNs?: bigint;
  /** What changes were dated with just before: where it is past `ctimeNs`, the next one gets another. */
  readonly clockNs?: bigint;
}

export interface FilesReply {
  readonly request: number;
  readonly errno: number;
  readonly data: Buffer;
  readonly entries: readonly FilesEntry[];
  readonly size: number;
  readonly more: boolean;
}

export function encodeFiles(sandbox: number, number: number, request: FilesRequest): Buffer {
  const writer = new FieldWriter(FRAME_HEADER, 'REQUEST_INVALID', 256);
  writer.u32(1, number, 'request number');
  writer.u32(2, fileOp[request.op], 'file operation');
  writer.str(3, request.path, 'path');
  if (request.offset !== undefined) writer.u64(4, request.offset, 'offset');
  if (request.length !== undefined) writer.u64(5, request.length, 'length');
  if (request.data !== undefined) writer.bytes(6, request.data);
  if (request.mode !== undefined) writer.u32(7, request.mode, 'mode');
  if (request.second !== undefined) writer.str(8, request.second, 'second path');
  if (request.flags !== undefined) writer.u32(9, request.flags, 'flags');
  return finishFrame(writer, frameType.FILES, sandbox);
}

export function decodeFilesReply(body: Buffer): FilesReply {
  const out = { request: 0, errno: 0, data: Buffer.alloc(0), size: 0, more: false };
  const entries: FilesEntry[] = [];
  for (const field of readFields(body)) {
    if (field.tag === 1) out.request = readU32(field);
    else if (field.tag === 2) out.errno = readI32(field);
    else if (field.tag === 3) out.data = Buffer.from(field.body);
    else if (field.tag === 4) entries.push(decodeEntry(field.body));
    else if (field.tag === 5) out.size = readAmount(field);
    else if (field.tag === 6) out.more = readU32(field) !== 0;
    else throw malformed(`FILES_REPLY has an unknown field ${field.tag}`);
  }
  return { ...out, entries };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function decodeEntry(body: Buffer): FilesEntry {
  const out: Writable<FilesEntry> = { name: '', mode: 0, size: 0, mtimeNs: 0n };
  for (const field of readFields(body)) {
    if (field.tag === 1) out.name = readStr(field);
    else if (field.tag === 2) out.mode = readU32(field);
    else if (field.tag === 3) out.size = readAmount(field);
    else if (field.tag === 4) out.mtimeNs = readU64(field);
    else if (field.tag === 7) out.inode = readU64(field);
    else if (field.tag === 8) out.ctimeNs = readU64(field);
    else if (field.tag === 9) out.clockNs = readU64(field);
    else if (field.tag !== 5 && field.tag !== 6) {
      throw malformed(`a file entry has an unknown field ${field.tag}`);
    }
  }
  return out;
}
