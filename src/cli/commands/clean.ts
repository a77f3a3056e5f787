/**
 * `caisson clean`: what killed runs left. Changes that wait for apply or discard are somebody's work and stay.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isId } from '../../core/ids.ts';
import { leftOverCgroups, removeCgroup } from '../../host/left-over-cgroups.ts';
import { Overlay } from '../../sandbox/overlay.ts';
import { removeTree } from '../../sandbox/remove-tree.ts';
import { defaultStateDirectory, openStateDirectory } from '../../sandbox/state-directory.ts';
import { abandoned } from '../../sandbox/work-in-progress.ts';
import type { Action } from '../command.ts';
import { PlanCache } from '../plan-cache.ts';

/** One that is being made has no record yet. */
const UNFINISHED_MS = 60_000;

type CleanFlags = { readonly 'dry-run': { readonly summary: string } };

interface LeftOver {
  readonly what: 'control group' | 'unreadable changes' | 'unfinished work' | 'compiled plans';
  readonly path: string;
  readonly remove: () => boolean | Promise<boolean>;
}

export const action: Action<CleanFlags> = async ({ flags }) => {
  const dry = flags['dry-run'] === true;
  const rows = [];
  const found = [...groups(), ...unreadableOverlays(), ...unfinished(), ...plans()];
  for (const { what, path, remove } of found) {
    rows.push({ what, path, removed: dry ? false : await remove() });
  }
  const verb = (removed: boolean): string => (removed ? 'removed' : dry ? 'would remove' : 'kept');
  return {
    exit: 0,
    document: { found: rows, dryRun: dry },
    text: rows.map(({ what, path, removed }) => `${verb(removed)} ${what} ${path}\n`).join(''),
    notes: rows.length === 0 ? ['nothing is left over'] : [],
  };
};

function groups(): LeftOver[] {
  return leftOverCgroups().map((path) => ({
    what: 'control group',
    path,
    remove: () => removeCgroup(path),
  }));
}

function unreadableOverlays(): LeftOver[] {
  const state = defaultStateDirectory();
  if (statSync(state, { throwIfNoEntry: false }) === undefined) return [];
  const readable = new Set(Overlay.list(state).map(({ id }) => id));
  const home = openStateDirectory(join(state, 'overlays'));
  return readdirSync(home)
    .filter((name) => isId(name) && !readable.has(name))
    .filter((name) => Date.now() - statSync(join(home, name)).mtimeMs > UNFINISHED_MS)
    .map((name) => ({
      what: 'unreadable changes',
      path: join(home, name),
      remove: async () => {
        await removeTree(home, name);
        return true;
      },
    }));
}

/** Of processes that were killed at it. */
function unfinished(): LeftOver[] {
  return ['overlays', 'networks'].flatMap((name) => {
    const home = join(defaultStateDirectory(), name);
    if (statSync(home, { throwIfNoEntry: false }) === undefined) return [];
    return abandoned(openStateDirectory(home)).map((entry) => ({
      what: 'unfinished work' as const,
      path: join(home, entry),
      remove: async () => {
        await removeTree(home, entry);
        return true;
      },
    }));
  });
}

function plans(): LeftOver[] {
  const cache = new PlanCache();
  return cache.old().map((path) => ({
    what: 'compiled plans',
    path,
    remove: () => cache.remove(path),
  }));
}
