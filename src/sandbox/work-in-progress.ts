/** What processes left that died at their work: in-progress.ts names it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { livenessOf, ownWorld } from '../host/process-identity.ts';
import { removeTree } from './remove-tree.ts';

const NAME = /^\.([0-9a-f-]{36})\.(\d+)\.(\d+)\.(\d+)\./;

/** What processes that are gone were at work on. Of other pid namespaces nothing can be said. */
export function abandoned(directory: string): string[] {
  const here = ownWorld();
  return readdirSync(directory).filter((name) => {
    const [, bootId, pidNamespace, pid, startTime] = NAME.exec(name) ?? [];
    if (bootId === undefined || pidNamespace === undefined || startTime === undefined) return false;
    const world = { bootId, pidNamespace };
    return livenessOf({ pid: Number(pid), startTime }, world, here) === 'gone';
  });
}

/** @returns the paths that were removed */
export async function removeAbandoned(directory: string): Promise<string[]> {
  const names = abandoned(directory);
  for (const name of names) await removeTree(directory, name);
  return names.map((name) => join(directory, name));
}
