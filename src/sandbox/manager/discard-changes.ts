/**
 * What the process of a dead manager was at work on: nobody can go on with it.
 */
import { join } from 'node:path';
import type { ManagerRecord } from '../../store/managed-record.ts';
import { openStateDirectory } from '../state-directory.ts';
import { removeAbandoned } from '../work-in-progress.ts';

/** @returns the directories */
export async function discardChanges(state: string, manager: ManagerRecord): Promise<string[]> {
  const { Overlay } = await import('../overlay.ts');
  const discarded: string[] = [];
  for (const { id, owner } of Overlay.list(state)) {
    const isIts =
      owner?.pid === manager.process.pid &&
      owner.startTime === manager.process.startTime &&
      owner.bootId === manager.bootId;
    if (!isIts) continue;
    const overlay = Overlay.open(state, id);
    await overlay.discard();
    discarded.push(overlay.directory);
  }
  for (const name of ['overlays', 'networks']) {
    const home = openStateDirectory(join(openStateDirectory(state), name));
    discarded.push(...(await removeAbandoned(home)));
  }
  return discarded;
}
