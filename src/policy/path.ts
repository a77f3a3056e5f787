/**
 * One path as a person writes it, made absolute and normal, or refused.
 */
import { CaissonError } from '../core/error.ts';

/** Stands for the directory that a run works in; bound at each run. */
export const WORKSPACE = '$workspace';

/** Linux's PATH_MAX (limits.h), without the closing NUL. */
const LONGEST_PATH = 4095;

/** Why `text` is not a path, or nothing. Knows no home, so `~/x` passes. */
export function pathFault(text: string): { message: string; hint?: string } | undefined {
  const path = text.startsWith('!') ? text.slice(1) : text;
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
  if (path === '') return { message: 'a path is empty', hint: 'write . for the workspace' };
  if (path.includes('\0')) return { message: `${shown} holds a NUL byte` };
  if (path.length > LONGEST_PATH)
    return { message: `a path is longer than ${LONGEST_PATH} characters` };
  if (path.startsWith('~') && path !== '~' && !path.startsWith('~/')) {
    return { message: `${shown} names another user's home`, hint: 'write the absolute path' };
  }
  if (path.startsWith('$') && path !== WORKSPACE && !path.startsWith(`${WORKSPACE}/`)) {
    return {
      message: `${shown} holds a variable`,
      hint: `the only one is ${WORKSPACE}; write ./$x for a file of that name`,
    };
  }
  if (/[*?]/.test(path)) {
    return {
      message: `${shown} holds a wildcard, which a path set cannot`,
      hint: 'name the directory above; everything below a path belongs to it',
    };
  }
  const components = path.split('/');
  if (components.includes('..')) {
    return {
      message: `${shown} leaves its directory with ..`,
      hint: 'write the path that is meant, without ..',
    };
  }
  const inner = components.slice(path.startsWith('/') ? 1 : 0);
  if (path !== '/' && inner.slice(0, -1).includes('')) {
    return { message: `${shown} is not normal`, hint: 'write it without double slashes' };
  }
  if (inner.slice(1).includes('.') || (path.startsWith('/') && inner.includes('.'))) {
    return { message: `${shown} is not normal`, hint: 'write it without /./' };
  }
  return undefined;
}

/** `!x` carves x out of what stands around it. */
export interface PathRule {
  readonly path: string;
  readonly include: boolean;
}

/**
 * `/usr`, `src` (below the workspace), `./src`, `.`, `~/x`, `$workspace/x`, each with or without `!` before it.
 *
 * @param home the home that `~` stands for, absolute; without it `~` is refused
 * @throws CaissonError `POLICY_INVALID`
 */
export function parsePathRule(text: string, home: string | undefined): PathRule {
  const fault = pathFault(text);
  if (fault) throw invalid(fault.message, fault.hint);
  const include = !text.startsWith('!');
  const path = include ? text : text.slice(1);
  return { path: absolute(path.length > 1 ? path.replace(/\/$/, '') : path, home), include };
}

function absolute(path: string, home: string | undefined): string {
  if (path.startsWith('/') || path === WORKSPACE || path.startsWith(`${WORKSPACE}/`)) return path;
  if (path === '~' || path.startsWith('~/')) {
    if (home === undefined || pathFault(home) || !home.startsWith('/')) {
      throw invalid(`"${path}" needs a home, and the caller has none`, 'write the absolute path');
    }
    return `${home === '/' ? '' : home.replace(/\/$/, '')}${path.slice(1)}` || '/';
  }
  if (path === '.') return WORKSPACE;
  return `${WORKSPACE}/${path.replace(/^\.\//, '')}`;
}

function invalid(message: string, hint?: string): CaissonError {
  return new CaissonError('POLICY_INVALID', {
    layer: 'policy',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
}
