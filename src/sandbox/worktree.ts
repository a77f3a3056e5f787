/**
 * The repository behind a git worktree: what git must reach although it lies outside of the workspace.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

export interface Worktree {
  /** Absolute, without links: the directory that all worktrees of the repository share. */
  readonly repository: string;
  /** `overlay`: git may write there, and what it writes is kept aside as the workspace's changes are. */
  readonly access: 'overlay' | 'read';
  /** What stays as it is, relative to `repository`. */
  readonly protect: readonly string[];
}

/**
 * Believed only where the repository points back (gitrepository-layout(5), worktrees/ID/gitdir): a planted `.git` file
 * that names somebody's `~/.ssh` finds nothing there that does. Undefined too where the policy does not show `.git`.
 *
 * @param workspace absolute, without links
 */
export function worktreeOf(policy: Policy, workspace: string): Worktree | undefined {
  const dotGit = `${WORKSPACE}/.git`;
  if (policy.workspace.mode === 'none' || !containsPath(policy.read, dotGit)) return undefined;
  const repository = repositoryBehind(workspace);
  if (repository === undefined) return undefined;
  const writes = policy.workspace.mode === 'overlay' && containsPath(policy.write, dotGit);
  return {
    repository,
    access: writes ? 'overlay' : 'read',
    protect: policy.protect
      .filter((pattern) => pattern.startsWith('.git/'))
      .map((pattern) => pattern.slice('.git/'.length)),
  };
}

function repositoryBehind(workspace: string): string | undefined {
  const pointer = firstLine(join(workspace, '.git'));
  if (pointer?.startsWith('gitdir: ') !== true) return undefined;
  const named = pointer.slice('gitdir: '.length);
  const gitdir = isAbsolute(named) ? named : resolve(workspace, named);
  const back = firstLine(join(gitdir, 'gitdir'));
  const common = firstLine(join(gitdir, 'commondir'));
  if (back === undefined || common === undefined) return undefined;
  try {
    const pointsHere = realpathSync.native(dirname(resolve(gitdir, back))) === workspace;
    const repository = realpathSync.native(resolve(gitdir, common));
    const holds = dirname(realpathSync.native(gitdir)) === `${repository}/worktrees`;
    // Below the workspace it shows anyway.
    const outside = !`${repository}/`.startsWith(`${workspace}/`);
    return pointsHere && holds && outside ? repository : undefined;
  } catch {
    return undefined;
  }
}

function firstLine(path: string): string | undefined {
  let fd: number;
  try {
    // Before every run, and mostly nothing or a directory is there: an error made by open costs ten times as much.
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const bytes = Buffer.alloc(4096);
    return bytes.toString('utf8', 0, readSync(fd, bytes)).split('\n', 1)[0];
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
