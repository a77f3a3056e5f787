/**
 * What of a workspace stays as it is: the policy's protected patterns, met with what is on disk.
 *
 * An existing protected path gets a read-only bind of itself, and every directory on the way to it is pinned, so that it
 * cannot be renamed away and replaced. What does not exist yet no bind can hold: an overlay refuses it when the changes
 * are applied; where the guest writes directly it is named as unenforceable.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Unenforceable } from '../plan/plan.ts';
import { leadsToProtected, matchesProtected } from '../policy/protect.ts';

/** Directories entered to look for `**` patterns; a tree beyond that is named as unprotected. */
const DIRECTORIES_MAX = 20_000;

export interface Protection {
  /** Absolute; each gets a read-only bind of itself. */
  readonly existing: readonly string[];
  /** Absolute directories that lead to one. */
  readonly pinned: readonly string[];
  /** Patterns that binds cannot hold here: nothing matches them yet, or only a link does. */
  readonly open: readonly string[];
}

export const NO_PROTECTION: Protection = { existing: [], pinned: [], open: [] };

/** @param workspace absolute, without links */
export async function protectionOf(
  patterns: readonly string[],
  workspace: string,
): Promise<Protection> {
  const existing = new Set<string>();
  const pinned = new Set<string>();
  const held = new Set<string>();
  const links = new Set<string>();
  let entered = 0;

  const visit = async (directory: string, prefix: string): Promise<void> => {
    if (++entered > DIRECTORIES_MAX) return;
    for (const entry of await entriesOf(directory)) {
      const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      const host = join(directory, entry.name);
      const matching = patterns.filter((pattern) => matchesProtected(pattern, path));
      if (matching.length > 0) {
        if (entry.isSymbolicLink()) for (const each of matching) links.add(each);
        else {
          existing.add(host);
          for (const each of matching) held.add(each);
        }
        continue;
      }
      if (!patterns.some((pattern) => leadsToProtected(pattern, path))) continue;
      // A worktree's or submodule's .git is a file that says where the real one is: it must stay too.
      if (entry.isFile() && entry.name === '.git') existing.add(host);
      if (!entry.isDirectory()) continue;
      const before = existing.size;
      await visit(host, path);
      // Pinned also where nothing in it matches yet: else it could be replaced by one that holds it.
      if (existing.size > before || entry.name === '.git') pinned.add(host);
    }
  };
  await visit(workspace, '');

  // A pattern with a wildcard may always match one more name.
  const openPatterns = patterns.filter(
    (pattern) => pattern.includes('*') || links.has(pattern) || !held.has(pattern),
  );
  return {
    existing: [...existing].sort(),
    pinned: [...pinned].sort(),
    open: openPatterns,
  };
}

/** Where the guest writes directly: what no bind can hold, as one refusal that names it. */
export function unprotected(protection: Protection): Unenforceable | undefined {
  if (protection.open.length === 0) return undefined;
  const shown = protection.open.slice(0, 8).join(', ');
  const more = protection.open.length > 8 ? `, and ${protection.open.length - 8} more` : '';
  return {
    id: 'filesystem.protect:direct',
    clause: 'filesystem.protect',
    reason: `the guest writes the workspace directly, so nothing stops it from creating ${shown}${more}`,
    cure: 'use an overlay (workspace: overlay, --overlay), which refuses them when the changes are applied',
    acceptable: true,
  };
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}
