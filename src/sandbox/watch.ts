/**
 * Watching a tree inside a sandbox. The guest's file system is not ours to put inotify watches on through every kind of
 * wall, so this looks again at intervals: two changes of one file within an interval are seen as one, and a file that
 * comes and goes within one is not seen.
 */
import { posix } from 'node:path';
import { isCaissonError } from '../core/error.ts';
import type { ListedFile, SandboxFiles } from './files.ts';

export interface FileEvent {
  readonly kind: 'added' | 'modified' | 'removed';
  /** Below what is watched, joined to it. */
  readonly path: string;
}

export interface WatchOptions {
  /** Default 200. */
  readonly intervalMs?: number;
  /** Also what lies in directories below; default true. */
  readonly recursive?: boolean;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

export async function* watchTree(
  files: SandboxFiles,
  path: string,
  options: WatchOptions,
): AsyncGenerator<FileEvent> {
  let before = await look(files, path, options.recursive !== false);
  for (;;) {
    await pause(options.intervalMs ?? 200, options.signal);
    if (options.signal?.aborted === true) return;
    const now = await look(files, path, options.recursive !== false);
    for (const [name, stamp] of now) {
      const earlier = before.get(name);
      if (earlier === undefined) yield { kind: 'added', path: name };
      else if (earlier !== stamp) yield { kind: 'modified', path: name };
    }
    for (const name of before.keys()) if (!now.has(name)) yield { kind: 'removed', path: name };
    before = now;
  }
}

async function look(
  files: SandboxFiles,
  path: string,
  recursive: boolean,
): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  let listed: ListedFile[];
  try {
    listed = await files.list(path);
  } catch (error) {
    // A directory that goes while it is looked at is a removal, which its parent shows.
    if (isCaissonError(error) && error.code === 'FILE_FAILED') return out;
    throw error;
  }
  for (const file of listed) {
    const name = posix.join(path, file.name);
    const stamp =
      file.type === 'directory' ? 'directory' : `${file.modifiedMs}:${file.size}:${file.mode}`;
    out.set(name, stamp);
    if (recursive && file.type === 'directory') {
      for (const [inner, value] of await look(files, name, true)) out.set(inner, value);
    }
  }
  return out;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
