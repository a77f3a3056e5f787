/**
 * The paths that a policy names, looked at on this host: each must be there, and where it leads must be known, since
 * the launcher follows no link.
 */
import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { CaissonError } from '../core/error.ts';
import type { NamedPath } from '../plan/root.ts';
import { WORKSPACE } from '../policy/path.ts';
import { isWithin } from '../policy/path-set.ts';
import type { Policy } from '../policy/policy.ts';

/**
 * @param workspace absolute, without links; paths below `$workspace` are left out without it
 * @throws CaissonError `PATH_MISSING` for a path that is not there or cannot be looked at, `PATH_ESCAPES` for one of
 * the workspace that is a link: a guest could have put it there to be shown something else
 */
export function lookAtNamedPaths(
  policy: Policy,
  workspace: string | undefined,
): readonly NamedPath[] {
  if (policy.view === 'host') return [];
  return [...includedPaths(policy, workspace), ...missingCarveOuts(policy, workspace)];
}

/** Whether there is something to look at. */
export function namesPaths({ read, write }: Policy): boolean {
  return (
    [read, write].some(({ rules }) =>
      rules.some(({ path, include }) => include && path !== '/' && path !== WORKSPACE),
    ) || write.rules.some(({ include }) => !include)
  );
}

function includedPaths(policy: Policy, workspace: string | undefined): NamedPath[] {
  const named = new Set(
    [policy.read, policy.write].flatMap(({ rules }) =>
      rules.flatMap(({ path, include }) => (include && path !== '/' ? [path] : [])),
    ),
  );
  return [...named].sort().flatMap((path): NamedPath[] => {
    if (!isWithin(path, WORKSPACE)) return [lookAt(path, path)];
    // A staged workspace is copied, by who looks at each path then (sandbox/stage.ts).
    if (workspace === undefined || policy.workspace.mode === 'staged') return [];
    const { kind } = lookBelow(workspace, path);
    return [{ path, real: path, kind }];
  });
}

/** What is carved out and there holds by a mount over it. What is not there, the guest could make. */
function missingCarveOuts(policy: Policy, workspace: string | undefined): NamedPath[] {
  const carved = policy.write.rules.filter(({ include }) => !include);
  return carved.flatMap(({ path }): NamedPath[] => {
    const inWorkspace = isWithin(path, WORKSPACE);
    // A staged workspace is a copy, of which only what the policy says comes out.
    if (inWorkspace && (workspace === undefined || policy.workspace.mode === 'staged')) return [];
    const host = inWorkspace ? `${workspace}${path.slice(WORKSPACE.length)}` : path;
    return lstatSync(host, { throwIfNoEntry: false }) === undefined
      ? [{ path, real: host, kind: 'missing' }]
      : [];
  });
}

/**
 * A link is refused before anybody looks where it leads: whether something is there, and where that lies on the host, is not
 * for who put the link into the workspace.
 */
function lookBelow(workspace: string, path: string): NamedPath {
  let host = workspace;
  let isDirectory = true;
  for (const name of path.slice(WORKSPACE.length).split('/').slice(1)) {
    host = `${host}/${name}`;
    const found: Stats | undefined = isDirectory ? lstat(host, path) : undefined;
    if (found === undefined) throw missing(path, undefined);
    if (found.isSymbolicLink()) throw escapes(path);
    isDirectory = found.isDirectory();
  }
  return { path, real: path, kind: isDirectory ? 'directory' : 'file' };
}

function lookAt(host: string, path: string): NamedPath {
  try {
    const real = realpathSync(host);
    return { path, real, kind: statSync(real).isDirectory() ? 'directory' : 'file' };
  } catch (cause) {
    throw missing(path, cause);
  }
}

function lstat(host: string, path: string): Stats | undefined {
  try {
    return lstatSync(host, { throwIfNoEntry: false });
  } catch (cause) {
    throw missing(path, cause);
  }
}

function missing(path: string, cause: unknown): CaissonError {
  return new CaissonError('PATH_MISSING', {
    layer: 'host',
    message: `the policy names ${path}, and it is not there`,
    hint: 'make it, or take it out of the policy',
    details: { path },
    cause,
  });
}

function escapes(path: string): CaissonError {
  return new CaissonError('PATH_ESCAPES', {
    layer: 'host',
    message: `${path} is a link, or lies behind one`,
    hint: 'name the place itself in the policy',
    details: { path },
  });
}
