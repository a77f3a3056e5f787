/**
 * A staged workspace: copies of what a policy names below it, which take its place under an overlay. What is not named
 * is not there, so a command that needs it fails and says its name; what the command makes starts from nothing.
 *
 * Links are copied as links, and no link is followed on the way: a guest of an earlier run could have planted it.
 */
import { constants, copyFileSync, mkdirSync } from 'node:fs';
import { chmod, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, isWithin } from '../policy/path-set.ts';
import type { PathSet, Policy } from '../policy/policy.ts';
import { Beneath, isErrno } from './beneath.ts';

/**
 * @param workspace absolute, without links
 * @param into where nothing is yet; gets the workspace's mode
 * @throws CaissonError `PATH_MISSING` for a path in `read` that is not there, `PATH_ESCAPES` for one behind a link, or
 * that is neither file, directory nor link
 */
export async function stageWorkspace(
  policy: Policy,
  workspace: string,
  into: string,
): Promise<void> {
  await using root = await Beneath.open(workspace);
  mkdirSync(into, { mode: Number((await root.own()).mode) & 0o777 });
  for (const path of namedBelow(policy.read)) await stage(policy, root, into, path, true);
  // What is yet to be made needs the directory that it is made in, where there is one already.
  for (const path of namedBelow(policy.write)) {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent !== '') await stageParents(root, into, `${parent}/.`, false);
  }
}

/** Relative to the workspace; '' is itself. */
function namedBelow({ rules }: PathSet): string[] {
  return rules
    .filter(({ path, include }) => include && isWithin(path, WORKSPACE))
    .map(({ path }) => path.slice(WORKSPACE.length + 1));
}

async function stage(
  policy: Policy,
  root: Beneath,
  into: string,
  path: string,
  named: boolean,
): Promise<void> {
  if (!containsPath(policy.read, path === '' ? WORKSPACE : `${WORKSPACE}/${path}`)) return;
  if (path === '') return await stageNames(policy, root, root, into, '');
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (named) await stageParents(root, into, path, true);
  await using parent = await parentOf(root, path);
  const stat = await parent.stat(name);
  const target = join(into, path);
  if (stat === undefined) throw missing(path);
  if (stat.isDirectory()) {
    mkdirSync(target, { mode: 0o700, recursive: true });
    await using directory = await parent.directory(name);
    await stageNames(policy, root, directory, into, path);
    await chmod(target, Number(stat.mode) & 0o777);
  } else if (stat.isSymbolicLink()) {
    await symlink(await parent.link(name), target);
  } else if (stat.isFile()) {
    await using file = await parent.read(name);
    // The descriptor, so that nothing is followed that took its place; copied for nothing where the file system can.
    copyFileSync(`/proc/self/fd/${file.fd}`, target, constants.COPYFILE_FICLONE);
    await chmod(target, Number(stat.mode) & 0o777);
    // make(1) compares them.
    await utimes(target, Number(stat.atimeNs) / 1e9, Number(stat.mtimeNs) / 1e9);
  } else if (named) {
    throw new CaissonError('PATH_ESCAPES', {
      layer: 'sandbox',
      message: `the policy names ${path}, which is no file, directory or link`,
      hint: 'a staged workspace is copied: take it out of the policy',
      details: { path },
    });
  }
}

async function stageNames(
  policy: Policy,
  root: Beneath,
  directory: Beneath,
  into: string,
  path: string,
): Promise<void> {
  for (const name of await directory.names()) {
    await stage(policy, root, into, path === '' ? name : `${path}/${name}`, false);
  }
}

/** Directories on the way, empty, with their modes. Nothing where one is missing and need not be there. */
async function stageParents(
  root: Beneath,
  into: string,
  path: string,
  needed: boolean,
): Promise<void> {
  const parts = path.split('/').slice(0, -1);
  for (let i = 1; i <= parts.length; i++) {
    const here = parts.slice(0, i).join('/');
    try {
      await using parent = await parentOf(root, here);
      const stat = await parent.stat(parts[i - 1] as string);
      if (stat === undefined || !stat.isDirectory()) {
        if (needed) throw stat === undefined ? missing(path) : behindLink(path);
        return;
      }
      mkdirSync(join(into, here), { mode: (Number(stat.mode) & 0o777) | 0o700, recursive: true });
    } catch (error) {
      if (needed || !isErrno(error, 'ENOTDIR', 'ELOOP', 'ENOENT')) throw error;
      return;
    }
  }
}

async function parentOf(root: Beneath, path: string): Promise<Beneath> {
  try {
    return await root.parentOf(path);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) throw missing(path, cause);
    if (isErrno(cause, 'ELOOP', 'ENOTDIR')) throw behindLink(path, cause);
    throw cause;
  }
}

function missing(path: string, cause?: unknown): CaissonError {
  return new CaissonError('PATH_MISSING', {
    layer: 'sandbox',
    message: `the policy names ${path}, and the workspace has no such file`,
    hint: 'bring it back, or take it out of the policy',
    details: { path },
    cause,
  });
}

function behindLink(path: string, cause?: unknown): CaissonError {
  return new CaissonError('PATH_ESCAPES', {
    layer: 'sandbox',
    message: `${path} lies behind a link or a file`,
    hint: 'name the place itself in the policy',
    details: { path },
    cause,
  });
}
