/**
 * Which kept changes a command means: those named, or the latest of this directory.
 */
import { realpathSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import { locateLauncher } from '../launcher/locate.ts';
import { Changes } from '../sandbox/changes.ts';
import { Overlay, type OverlayRecord } from '../sandbox/overlay.ts';
import { defaultStateDirectory } from '../sandbox/state-directory.ts';

/** Oldest first. */
export function listPending(): OverlayRecord[] {
  return Overlay.list(defaultStateDirectory());
}

/** @throws PATH_MISSING when there are none, or not of that id */
export function pendingOverlay(id: string | undefined): Overlay {
  if (id !== undefined) return Overlay.open(defaultStateDirectory(), id);
  const here = realpathSync('.');
  const all = listPending();
  const latest = all.findLast(({ workspace }) => workspace === here);
  if (latest !== undefined) return Overlay.open(defaultStateDirectory(), latest.id);
  throw new CaissonError('PATH_MISSING', {
    layer: 'cli',
    message: `no changes of ${here} are kept`,
    hint:
      all.length === 0
        ? 'caisson run --overlay -- COMMAND keeps them'
        : 'caisson diff --list shows those of other directories',
  });
}

export function changesOf(overlay: Overlay): Promise<Changes> {
  return Changes.read(overlay, locateLauncher().path);
}
