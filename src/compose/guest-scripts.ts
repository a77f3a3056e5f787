/**
 * The files that a command names, read before it runs. What is checked is what lies there then: who can write to it in
 * between can exchange it. docs/admission.md says what holds.
 */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import type { ReadScript } from '../admission/command-candidate.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, isWithin } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';
import { SYSTEM_DIRECTORIES } from '../policy/system-directories.ts';
import type { Place } from '../sandbox/place.ts';

/** What is larger is no script that an analysis would read to its end. */
const BYTES_MAX = 16 * 2 ** 20;

/** For a run of its own: read on the host, where the guest will find it. */
export function scriptsOutside(policy: Policy, place: Place, cwd: string | undefined): ReadScript {
  return async (path) => {
    const base = place.workspace ?? (policy.view === 'host' ? process.cwd() : undefined);
    // The guest's home, which is empty.
    if (base === undefined && ![cwd ?? '', path].some(isAbsolute)) return undefined;
    const asked = resolve(base ?? '/', cwd ?? '.', path);
    let real: string;
    try {
      real = await realpath(asked);
    } catch {
      return undefined;
    }
    if (isOwn(real, policy, place)) return 'own';
    return isVisible(real, policy, place) ? await readWhole(real) : undefined;
  };
}

/** In a sandbox that stays: read inside, where it may have been changed since. */
export function scriptsInside(
  policy: Policy,
  place: Place,
  cwd: string | undefined,
  read: (path: string) => Promise<Uint8Array>,
): ReadScript {
  return async (path) => {
    // What is relative starts where the sandbox does.
    const asked = cwd === undefined || isAbsolute(path) ? path : join(cwd, path);
    if (asked.startsWith('/')) {
      const real = await realpath(asked).catch(() => asked);
      if (isOwn(resolve(asked), policy, place) && isOwn(real, policy, place)) return 'own';
    }
    try {
      const bytes = await read(asked);
      return bytes.length > BYTES_MAX ? undefined : bytes;
    } catch {
      return undefined;
    }
  };
}

/** Programs of the system and of toolchains are the host's own word, where the guest cannot write them. */
function isOwn(path: string, policy: Policy, { toolchain, workspace }: Place): boolean {
  const directories = [
    ...SYSTEM_DIRECTORIES,
    ...(toolchain?.binds.map(({ target }) => target) ?? []),
  ];
  return (
    directories.some((directory) => isWithin(path, directory)) &&
    !(workspace !== undefined && isWithin(path, workspace)) &&
    (policy.view === 'host' || !containsPath(policy.write, path))
  );
}

function isVisible(path: string, policy: Policy, { workspace }: Place): boolean {
  if (policy.view === 'host') return true;
  const inWorkspace =
    workspace !== undefined && isWithin(path, workspace)
      ? `${WORKSPACE}${path.slice(workspace.length)}`
      : undefined;
  return [policy.read, policy.write].some(
    (set) =>
      containsPath(set, path) || (inWorkspace !== undefined && containsPath(set, inWorkspace)),
  );
}

/** A FIFO or a device must not hold us up: nothing but a plain file is read. */
async function readWhole(path: string): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    return stat.isFile() && stat.size <= BYTES_MAX ? await file.readFile() : undefined;
  } catch {
    return undefined;
  }
}
