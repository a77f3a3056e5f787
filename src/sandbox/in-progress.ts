/**
 * Directories that mean something only while this process is at work on them: their names say whose they are (boot, pid
 * namespace, pid, start time), so that one start after its death removes them (work-in-progress.ts).
 */
import { identityOf, ownWorld } from '../host/process-identity.ts';

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
