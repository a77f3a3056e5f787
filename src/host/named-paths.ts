/**
 * The paths that a policy names, looked at on this host: each must be there, and where it leads must be known, since
 * the launcher follows no link.
 */
import { realpathSync, statSync } from 'node:fs';
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
  const named = new Set(
    [policy.read, policy.write].flatMap(({ rules }) =>
      rules.flatMap(({ path, include }) => (include && path !== '/' ? [path] : [])),
    ),
  );
  return [...named].sort().flatMap((path): NamedPath[] => {
    if (!isWithin(path, WORKSPACE)) return [lookAt(path, path)];
    // A staged workspace is copied, by who looks at each path then (sandbox/stage.ts).
    if (workspace === undefined || policy.workspace.mode === 'staged') return [];
    const host = `${workspace}${path.slice(WORKSPACE.length)}`;
    const { real, kind } = lookAt(host, path);
    if (real !== host) throw escapes(path, real);
    return [{ path, real: path, kind }];
  });
}

function lookAt(host: string, path: string): NamedPath {
  try {
    const real = realpathSync(host);
    return { path, real, kind: statSync(real).isDirectory() ? 'directory' : 'file' };
  } catch (cause) {
    throw new CaissonError('PATH_MISSING', {
      layer: 'host',
      message: `the policy names ${path}, and ${host} is not there`,
      hint: `make it (mkdir -p ${host}), or take it out of the policy`,
      details: { path, host },
      cause,
    });
  }
}

function escapes(path: string, real: string): CaissonError {
  return new CaissonError('PATH_ESCAPES', {
    layer: 'host',
    message: `${path} is a link, or lies behind one, and leads to ${real}`,
    hint: 'name the place itself in the policy',
    details: { path, real },
  });
}
