/**
 * Where pending changes are kept: a directory of the caller alone, never a predictable place that others share.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { CaissonError } from '../core/error.ts';

export const STATE_MODE = 0o700;

/** `$XDG_STATE_HOME/caisson`, by default `~/.local/state/caisson`. */
export function defaultStateDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment.XDG_STATE_HOME;
  const state = base !== undefined && isAbsolute(base) ? base : join(homedir(), '.local', 'state');
  return join(state, 'caisson');
}

/**
 * Makes the directory where it is missing and checks it: a link, another owner, or access for others is refused.
 *
 * @throws PATH_ESCAPES; STORE_UNUSABLE where it cannot be made
 */
export function openStateDirectory(path: string): string {
  try {
    makeDirectories(path);
  } catch (cause) {
    throw notMade(path, cause as NodeJS.ErrnoException);
  }
  const stat = lstatSync(path);
  const me = process.geteuid?.();
  if (stat.isDirectory() && stat.uid === me && (stat.mode & 0o077) === 0) return path;
  throw new CaissonError('PATH_ESCAPES', {
    layer: 'sandbox',
    message: `${path} is not a directory that its owner alone can use`,
    hint: !stat.isDirectory()
      ? ANOTHER
      : stat.uid === me
        ? `chmod 700 ${path}, or ${ANOTHER}`
        : `it belongs to user ${stat.uid}, and this is user ${me}: ${asOwner(stat.uid)}`,
    details: { path },
  });
}

const ANOTHER = 'name one of yours (--state DIR, or XDG_STATE_HOME)';

/** What a service keeps is changed as the user that it runs as. */
function asOwner(uid: number): string {
  return `run it as that one (sudo -u '#${uid}' caisson …), or ${ANOTHER}`;
}

/** As `recursive` does it; that one never comes back from a file system that says ENOENT of what it refuses, such as /proc. */
function makeDirectories(path: string): void {
  try {
    mkdirSync(path, { mode: STATE_MODE });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A link to a directory, or a file, is told by what looks at it.
    if (code === 'EEXIST') return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    makeDirectories(parent);
    mkdirSync(path, { mode: STATE_MODE });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'its file system is read-only',
  ENOTDIR: 'a part of the path is no directory',
  ENOENT: 'its file system takes no directories',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
};

function notMade(path: string, cause: NodeJS.ErrnoException): CaissonError {
  return new CaissonError('STORE_UNUSABLE', {
    layer: 'sandbox',
    message: `the state directory ${path} cannot be made: ${(cause.code && REASONS[cause.code]) ?? cause.message}`,
    hint: `make it as a user who may, give it to this one with mode 700, or ${ANOTHER}`,
    details: { path },
    cause,
  });
}
