/**
 * Where pending changes are kept: a directory of the caller alone, never a predictable place that others share.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
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
 * @throws PATH_ESCAPES
 */
export function openStateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: STATE_MODE });
  const stat = lstatSync(path);
  const mine = stat.uid === process.geteuid?.();
  if (stat.isDirectory() && mine && (stat.mode & 0o077) === 0) return path;
  throw new CaissonError('PATH_ESCAPES', {
    layer: 'sandbox',
    message: `${path} is not a directory that its owner alone can use`,
    hint: `chmod 700 ${path}, or set XDG_STATE_HOME to a directory of yours`,
    details: { path },
  });
}
