import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  directory,
  file,
  symlink,
  type WasiDirectory,
  type WasiEntry,
} from '../src/backends/wasm/wasi/tree.ts';

/** Reads a directory of the host into memory for a WASI guest. Sockets, pipes and devices are left out. */
export function readDirectory(path: string, writable = false): WasiDirectory {
  const entries = new Map<string, WasiEntry>();
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) entries.set(entry.name, readDirectory(below, writable));
    else if (entry.isSymbolicLink()) entries.set(entry.name, symlink(readlinkSync(below)));
    else if (entry.isFile()) entries.set(entry.name, file(readFileSync(below)));
  }
  return directory(entries, { writable });
}
