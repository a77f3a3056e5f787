/**
 * All files below a directory, as they come: no more than one directory is open at a time, and none is held in memory, so
 * that a million files in one place are no burden. Links are told and not followed, so there are no loops.
 */
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_MAX_BYTES, type Manifest, readManifest } from './manifest.ts';
import { readPlainFile } from './read-plain-file.ts';

export type Walked =
  | {
      readonly kind: 'file';
      readonly path: string;
      /** Relative to where the walk began. */
      readonly name: string;
      /** Of the directories above, outermost first. */
      readonly manifests: readonly Manifest[];
    }
  | { readonly kind: 'other'; readonly name: string; readonly isLink: boolean }
  | { readonly kind: 'unread'; readonly name: string; readonly reason: string };

interface Pending {
  readonly name: string;
  readonly manifests: readonly Manifest[];
}

export async function* walk(root: string): AsyncGenerator<Walked, void, undefined> {
  const pending: Pending[] = [{ name: '', manifests: [] }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { name } = next;
    const path = join(root, name);
    const manifest = manifestIn(path, name);
    const manifests = manifest === undefined ? next.manifests : [...next.manifests, manifest];
    try {
      for await (const entry of await opendir(path, { bufferSize: 256 })) {
        const below = name === '' ? entry.name : `${name}/${entry.name}`;
        if (entry.isDirectory()) pending.push({ name: below, manifests });
        else if (entry.isFile()) {
          yield { kind: 'file', path: join(path, entry.name), name: below, manifests };
        } else yield { kind: 'other', name: below, isLink: entry.isSymbolicLink() };
      }
    } catch (error) {
      yield { kind: 'unread', name, reason: (error as Error).message };
    }
  }
}

/** How many files there are, for whoever shows progress. */
export async function countFiles(root: string, stop: () => boolean): Promise<number> {
  let count = 0;
  const pending = [root];
  for (let path = pending.pop(); path !== undefined && !stop(); path = pending.pop()) {
    try {
      for await (const entry of await opendir(path, { bufferSize: 256 })) {
        if (entry.isDirectory()) pending.push(join(path, entry.name));
        else if (entry.isFile()) count++;
      }
    } catch {
      // Told by the walk.
    }
  }
  return count;
}

function manifestIn(directory: string, name: string): Manifest | undefined {
  const read = readPlainFile(join(directory, 'package.json'), MANIFEST_MAX_BYTES, () => true);
  if (!('bytes' in read) || read.bytes === undefined) return undefined;
  return readManifest(join(name, 'package.json'), read.bytes.toString('utf8'));
}
