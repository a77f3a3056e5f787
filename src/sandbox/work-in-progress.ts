/**
 * Directories that mean something only while this process is at work on them: their names say whose they are (boot, pid
 * namespace, pid, start time), so that one start after its death removes them.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, livenessOf, ownWorld } from '../host/process-identity.ts';
import { removeTree } from './beneath.ts';

const NAME = /^\.([0-9a-f-]{36})\.(\d+)\.(\d+)\.(\d+)\./;

/** `.OWNER.name`; `name` is to be unique in this process. */
export function inProgress(name: string): string {
  own ??= ownerName();
  return `.${own}.${name}`;
}

let own: string | undefined;

function ownerName(): string {
  const { bootId, pidNamespace } = ownWorld();
  return `${bootId}.${pidNamespace}.${process.pid}.${identityOf(process.pid)?.startTime ?? 0}`;
}

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
