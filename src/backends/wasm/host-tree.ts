/**
 * Directories of the host as a guest's files: read-only, listed when it starts, read when it reads. In the order of their
 * names and, where that is wanted, without times: what the guest sees is the same wherever the same files lie.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CaissonError } from '../../core/error.ts';
import type { WasiDirectory, WasiEntry } from './wasi/tree.ts';

/** More than that is not a guest's input but a disk. */
const ENTRIES_MAX = 100_000;

/** @param path absolute @param options.times whether files have the times of their last changes; default true @throws CaissonError `PATH_MISSING`, `REQUEST_INVALID` for too many entries */
export function hostTree(path: string, { times = true } = {}): WasiDirectory {
  let entries = 0;
  const read = (directory: string): WasiDirectory => {
    const found = new Map<string, WasiEntry>();
    const listed = readdirSync(directory, { withFileTypes: true });
    for (const entry of listed.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (++entries > ENTRIES_MAX) throw tooMany(path);
      const at = join(directory, entry.name);
      if (entry.isDirectory()) found.set(entry.name, read(at));
      else if (entry.isSymbolicLink()) {
        found.set(entry.name, { kind: 'symlink', target: readlinkSync(at) });
      } else if (entry.isFile()) {
        const { size, mtimeNs } = lstatSync(at, { bigint: true });
        const content = { size: Number(size), load: () => readFileSync(at) };
        found.set(entry.name, { kind: 'file', content, modifiedNs: times ? mtimeNs : 0n });
      }
      // Sockets, pipes and devices are nothing that WASI could open.
    }
    return { kind: 'directory', entries: found, writable: false };
  };
  try {
    return read(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    const message = `${path} is no directory that the guest's host can read`;
    throw new CaissonError('PATH_MISSING', { layer: 'backends', message, cause });
  }
}

function tooMany(path: string): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'backends',
    message: `${path} holds more than ${ENTRIES_MAX} files`,
    hint: 'give the guest the directory that it needs',
  });
}
