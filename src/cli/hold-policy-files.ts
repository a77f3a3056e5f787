/**
 * The files that a policy was read from stay as they are: what the guest could write there would be the policy of the
 * next run (DESIGN.md, "read-only inside").
 */
import { realpathSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

/**
 * The policy with those of its files protected that the guest may write. A link on the way is held as well as what it
 * leads to.
 *
 * @param workspace absolute, without links
 */
export function holdPolicyFiles(
  policy: Policy,
  workspace: string | undefined,
  files: readonly string[],
): Policy {
  if (workspace === undefined) return policy;
  const held = files.flatMap((file) => {
    const typed = resolve(file);
    return [typed, realpathSync.native(typed)].flatMap((path) => {
      const name = relative(workspace, path);
      const isInside = name !== '' && name !== '..' && !name.startsWith('../');
      const isWritable =
        containsPath(policy.write, path) || containsPath(policy.write, `${WORKSPACE}/${name}`);
      return isInside && isWritable ? [name] : [];
    });
  });
  if (held.length === 0) return policy;
  return { ...policy, protect: [...new Set([...policy.protect, ...held])].sort() };
}
