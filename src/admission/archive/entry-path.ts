/** Names of entries: what is inside of the archive, and what leads out of it. */
import type { Oddity } from './archive.ts';

/** PATH_MAX of Linux, limits.h. */
const LONGEST = 4096;

export interface EntryPath {
  readonly path: string;
  readonly odd: readonly Oddity[];
}

/**
 * A backslash separates here too, as it does for unpackers on Windows. What leads out is kept below the root for whoever
 * looks at it, and told.
 */
export function entryPath(name: string): EntryPath {
  const odd: Oddity[] = [];
  const entry = name.slice(0, LONGEST);
  const parts: string[] = [];
  let isOutside = /^[/\\]/.test(name) || /^[A-Za-z]:/.test(name);
  for (const part of entry.split(/[/\\]/)) {
    if (part === '..') isOutside = true;
    else if (part !== '' && part !== '.') parts.push(part);
  }
  if (isOutside)
    odd.push({ kind: 'path-outside', entry, message: 'its name leads out of the archive' });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (name.length > LONGEST || /[\u0000-\u001f\u007f]/.test(name)) {
    odd.push({
      kind: 'path-strange',
      entry,
      message: 'its name holds control characters, or is longer than a name can be',
    });
  }
  return { path: parts.join('/'), odd };
}

/** Whether a link from an entry leads out of the archive. */
export function leadsOut(path: string, target: string): boolean {
  if (/^[/\\]/.test(target) || /^[A-Za-z]:/.test(target)) return true;
  let depth = path.split('/').length - 1;
  for (const part of target.split(/[/\\]/)) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}
