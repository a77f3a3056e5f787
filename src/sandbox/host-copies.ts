/**
 * Files and trees between the host and an open sandbox. Links are copied as links, on neither side followed; what is
 * neither file, directory nor link is refused.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Beneath } from './beneath.ts';
import { fileFailed } from './file-failed.ts';
import { type AskFiles, FILE_PIECE } from './file-streams.ts';
import type { SandboxFiles } from './files.ts';

export async function copyIn(
  files: SandboxFiles,
  ask: AskFiles,
  from: string,
  to: string,
): Promise<void> {
  const stat = await lstat(from);
  const mode = stat.mode & 0o777;
  if (stat.isSymbolicLink()) return await files.makeLink(to, await readlink(from));
  if (stat.isDirectory()) {
    await files.mkdir(to, { recursive: true, mode });
    for (const name of await readdir(from)) {
      await copyIn(files, ask, join(from, name), posix.join(to, name));
    }
    return;
  }
  if (!stat.isFile()) throw notPlain('upload', from);
  await using file = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  await files.write(to, '');
  const buffer = Buffer.allocUnsafe(FILE_PIECE);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, FILE_PIECE, offset);
    if (bytesRead === 0) break;
    await ask({ op: 'write', path: to, offset, data: buffer.subarray(0, bytesRead) });
    offset += bytesRead;
  }
  await files.chmod(to, mode);
}

/** @param to must not be there yet; nothing is written outside of it, whatever links the guest has made */
export async function copyOut(files: SandboxFiles, from: string, to: string): Promise<void> {
  await using parent = await Beneath.open(posix.dirname(posix.resolve(to)));
  await copyBelow(files, from, parent, posix.basename(to));
}

async function copyBelow(
  files: SandboxFiles,
  from: string,
  into: Beneath,
  name: string,
): Promise<void> {
  const info = await files.stat(from);
  if ((await into.stat(name)) !== undefined) {
    throw fileFailed('download', name, 'it exists already');
  }
  const mode = info.mode & 0o777;
  if (info.type === 'link') return await into.replaceLink(name, await files.readLink(from));
  if (info.type === 'directory') {
    await into.makeDirectory(name, mode | 0o700);
    await using directory = await into.directory(name);
    for (const each of await files.list(from)) {
      await copyBelow(files, posix.join(from, each.name), directory, each.name);
    }
    return await directory.chmodSelf(mode);
  }
  if (info.type !== 'file') throw notPlain('download', from);
  await into.replace(
    name,
    async (file) => {
      for await (const piece of files.readStream(from)) await file.appendFile(piece);
    },
    mode,
  );
}

function notPlain(op: string, path: string) {
  return fileFailed(op, path, 'it is neither file, directory nor link');
}
