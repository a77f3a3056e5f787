/** What is executed must not write its own registry: it would be the code of the next execution. */
import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

/**
 * A policy that shows the host as it is protects no file: there nothing is checked.
 *
 * @param workspace a directory of the host
 * @throws REQUEST_INVALID where a guest of that policy could write the registry's file
 */
export function checkOutOfReach(path: string, policy: Policy, workspace: string | undefined): void {
  const mayWrite = writableBy(policy, workspace);
  const directory = real(dirname(resolve(path)));
  const file = join(directory, basename(path));
  // SQLite keeps its log beside it.
  if (![file, `${file}-wal`].some(mayWrite)) return;
  throw new CaissonError('REQUEST_INVALID', {
    layer: 'modules',
    message: `the registry ${path} lies where its modules may write`,
    hint: 'keep it elsewhere, or do not let the policy write there',
  });
}

/**
 * Whether a guest could write to an absolute path of the host. Of a policy that shows the host as it is: no, see above.
 *
 * @param workspace a directory of the host
 */
export function writableBy(
  policy: Pick<Policy, 'view' | 'write' | 'workspace'>,
  workspace: string | undefined,
): (path: string) => boolean {
  if (policy.view === 'host') return () => false;
  return (path) => containsPath(policy.write, path) || inWorkspace(path, policy, workspace);
}

function inWorkspace(
  file: string,
  policy: Pick<Policy, 'write' | 'workspace'>,
  workspace: string | undefined,
): boolean {
  const { mode, apply } = policy.workspace;
  // What waits for somebody's word does not come there by itself.
  const reaches = mode === 'direct' || (mode !== 'none' && apply === 'auto');
  if (workspace === undefined || !reaches) return false;
  const name = relative(real(workspace), file);
  if (name === '..' || name.startsWith('../')) return false;
  return containsPath(policy.write, name === '' ? WORKSPACE : `${WORKSPACE}/${name}`);
}

function real(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    // Whoever opens it says what is wrong with it.
    return path;
  }
}
