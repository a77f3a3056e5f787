/**
 * Watching a tree inside a sandbox. The guest's file system is not ours to put inotify watches on through every kind of
 * wall, so this looks again at intervals: two changes of one file within an interval are seen as one, and a file that
 * comes and goes within one is not seen.
 */
import { posix } from 'node:path';
import { CaissonError, isCaissonError } from '../core/error.ts';
import type { ListedFile, SandboxFiles } from './files.ts';

export interface FileEvent {
  readonly kind: 'added' | 'modified' | 'removed';
  /** Below what is watched, joined to it. */
  readonly path: string;
}

export interface WatchOptions {
  /** Default 200; longer where a look takes more than a quarter of that. */
  readonly intervalMs?: number;
  /** Also what lies in directories below; default true. */
  readonly recursive?: boolean;
  /** Files and directories that may be there at most; then it ends with REQUEST_INVALID. Default: any number. */
  readonly most?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

export async function* watchTree(
  files: SandboxFiles,
  path: string,
  options: WatchOptions,
): AsyncGenerator<FileEvent> {
  const { recursive = true, most = Number.POSITIVE_INFINITY, intervalMs = 200, signal } = options;
  let from = performance.now();
  let before = await look(files, path, recursive, most, signal);
  for (;;) {
    // A tree that takes long to look at is looked at less often: at most a fifth of the time goes into it.
    await pause(Math.max(intervalMs, 4 * (performance.now() - from)), signal);
    if (hasEnded(signal)) return;
    from = performance.now();
    const now = await look(files, path, recursive, most, signal);
    if (hasEnded(signal)) return;
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
  most: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  const left = [path];
  for (let here = left.pop(); here !== undefined; here = left.pop()) {
    for await (const file of entriesOf(files, here)) {
      if (signal?.aborted === true) return out;
      const name = posix.join(here, file.name);
      const isDirectory = file.type === 'directory';
      out.set(name, isDirectory ? 'directory' : `${file.modifiedMs}:${file.size}:${file.mode}`);
      if (out.size > most) throw tooMany(path, most);
      if (recursive && isDirectory) left.push(name);
    }
  }
  return out;
}

/** A directory that goes while it is looked at is a removal, which its parent shows. */
async function* entriesOf(files: SandboxFiles, path: string): AsyncGenerator<ListedFile> {
  let after: number | undefined = 0;
  try {
    while (after !== undefined) {
      const part: Awaited<ReturnType<SandboxFiles['page']>> = await files.page(path, { after });
      yield* part.entries;
      after = part.next;
    }
  } catch (error) {
    if (!isCaissonError(error) || error.code !== 'FILE_FAILED') throw error;
  }
}

function tooMany(path: string, most: number): CaissonError {
  return new CaissonError('REQUEST_INVALID', {
    layer: 'sandbox',
    message: `there are more than ${most} files below ${path}: too many to be watched`,
    hint: 'watch a directory further down, or without what lies deeper',
  });
}

function hasEnded(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
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
