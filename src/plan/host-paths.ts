/**
 * Which of the host's paths the guest sees, and how: the policy's sets as mounts, parents first.
 *
 * Between two rules of the sets nothing changes, so it is enough to look at each rule's own path: where what it may
 * be used for differs from its parent's, a mount (or a mask) stands.
 */
import { CaissonError } from '../core/error.ts';
import { WORKSPACE } from '../policy/path.ts';
import { containsPath, isWithin, parentPath, pathSet } from '../policy/path-set.ts';
import type { PathSet, Policy } from '../policy/policy.ts';
import type { HostFacts } from './facts.ts';

export type PathUse = 'write' | 'read' | 'hidden' | 'scratch' | 'absent';

export interface HostPath {
  readonly path: string;
  readonly use: Exclude<PathUse, 'absent'>;
  /** Use of the parent: what a scratch or a mask lies in. */
  readonly inside: PathUse;
}

/** Made up in every private root; the host's own never shows there. */
const synthetic = ['/dev', '/proc', '/sys'] as const;

/** @throws CaissonError `POLICY_INVALID` for a path below /dev, /proc or /sys */
export function compileHostPaths(policy: Policy, facts: HostFacts): readonly HostPath[] {
  const { read: reads, write: writes } =
    policy.workspace.mode === 'staged' ? wholly(policy) : policy;
  const read = expandRoot(throughLinks(reads, facts), policy, facts);
  const write = expandRoot(throughLinks(writes, facts), policy, facts);
  const scratch = throughLinks(policy.scratch, facts);
  const useOf = (path: string): PathUse => {
    const named = nearest([read, write], path);
    const own = nearest([scratch], path);
    if (own !== undefined && own.length >= (named?.length ?? 0) && containsPath(scratch, path)) {
      return 'scratch';
    }
    if (containsPath(write, path)) return 'write';
    if (containsPath(read, path)) return 'read';
    if (named !== undefined) return 'hidden';
    return isSystem(path, policy, facts) ? 'read' : 'absent';
  };
  const paths = new Set(
    [read, write, scratch].flatMap(({ rules }) => rules.map(({ path }) => path)),
  );
  const result: HostPath[] = [];
  for (const path of [...paths].sort()) {
    if (policy.workspace.mode === 'none' && isWithin(path, WORKSPACE)) continue;
    const use = useOf(path);
    const parent = parentPath(path);
    const inside = parent === undefined ? 'absent' : useOf(parent);
    if (use === inside || use === 'absent') continue;
    const shows = use === 'read' && isSystem(path, policy, facts) && inside !== 'hidden';
    if (shows && inside !== 'write') continue;
    if (use === 'hidden' && (inside === 'absent' || inside === 'scratch')) continue;
    if (use !== 'scratch' && synthetic.some((top) => isWithin(path, top))) refuse(path);
    result.push({ path, use, inside });
  }
  return result;
}

/** A staged workspace is one directory of its own: what of it shows is copied there, what may leave it is looked at afterwards. */
function wholly({ read, write }: Policy): Pick<Policy, 'read' | 'write'> {
  const outside = ({ rules }: PathSet): PathSet['rules'] =>
    rules.filter(({ path }) => !isWithin(path, WORKSPACE));
  return {
    read: { rules: outside(read) },
    write: pathSet([...outside(write), { path: WORKSPACE, include: true }]),
  };
}

/** Whether the private root shows the host's `path` whatever the policy names. */
export function isSystem(path: string, policy: Policy, facts: HostFacts): boolean {
  return (
    policy.view === 'system' &&
    facts.system.some((entry) => entry.kind === 'directory' && isWithin(path, entry.path))
  );
}

/** A carve-out of `/bin/x` is one of `/usr/bin/x` where `/bin` is a link: no mount stands on a link. */
function throughLinks(set: PathSet, facts: HostFacts): PathSet {
  const through = (path: string): string => {
    for (const entry of facts.system) {
      if (entry.kind !== 'symlink' || !isWithin(path, entry.path)) continue;
      const to = entry.to.startsWith('/') ? entry.to : `/${entry.to}`;
      return `${to}${path.slice(entry.path.length)}`;
    }
    return path;
  };
  return pathSet(set.rules.map(({ path, include }) => ({ path: through(path), include })));
}

/** The longest path of a rule at or above `path`. */
function nearest(sets: readonly PathSet[], path: string): string | undefined {
  for (let at: string | undefined = path; at !== undefined; at = parentPath(at)) {
    const here = at;
    if (sets.some(({ rules }) => rules.some((rule) => rule.path === here))) return here;
  }
  return undefined;
}

/** `/` cannot be mounted over the private root: it stands for the host's top-level directories, save what is made up. */
function expandRoot(set: PathSet, policy: Policy, facts: HostFacts): PathSet {
  if (!set.rules.some((rule) => rule.path === '/' && rule.include)) return set;
  const kept = set.rules.filter((rule) => rule.path !== '/');
  const tops = (facts.topLevel ?? []).filter(
    (top) =>
      !kept.some((rule) => rule.path === top) &&
      !synthetic.some((made) => made === top) &&
      (top !== '/etc' || policy.view === 'host') &&
      !policy.scratch.rules.some((rule) => rule.include && rule.path === top),
  );
  if (tops.length === 0) {
    throw new CaissonError('POLICY_INVALID', {
      layer: 'plan',
      message: 'the policy names / and this host tells no directories below it',
      hint: 'name the directories that the guest needs',
    });
  }
  return pathSet([...kept, ...tops.map((path) => ({ path, include: true }))]);
}

function refuse(path: string): never {
  throw new CaissonError('POLICY_INVALID', {
    layer: 'plan',
    message: `${path} is made up inside the sandbox and cannot be the host's`,
    hint: path.startsWith('/dev')
      ? 'name the device under `devices`'
      : path.startsWith('/sys')
        ? 'write `sys: true` for a read-only /sys'
        : 'take it out of the policy; the sandbox has a /proc of its own',
    details: { path },
  });
}
