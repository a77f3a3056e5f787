/**
 * Union and intersection of policies.
 *
 * The intersection allows what both allow; the union is the least policy that can be written which
 * allows what either allows. `subsumes(union(a, b), a)` and `subsumes(a, intersect(a, b))` hold.
 */
import { CaissonError } from '../core/error.ts';
import { effectiveCapabilities, effectiveRead } from './compare.ts';
import { allowedRules } from './compare-network.ts';
import { canonicalRules, intersectRules } from './destination-set.ts';
import { LEVEL_NAMES } from './levels.ts';
import { joinLimits, meetLimits } from './limits.ts';
import { intersectNames, unionNames } from './name-set.ts';
import { combineEndings, onViolationFor } from './on-violation.ts';
import { WORKSPACE } from './path.ts';
import { containsPath, intersectPaths, touchesPath, unionPaths } from './path-set.ts';
import type { NetworkPolicy, Policy } from './policy.ts';
import { coversProtected } from './protect.ts';
import { SYSTEM_DIRECTORIES } from './system-directories.ts';

const VIEWS = ['named', 'system', 'host'] as const;
const PRESETS = ['minimal', 'default', 'all'] as const;

/**
 * What both policies allow.
 *
 * @throws CaissonError `POLICY_INVALID` when no wall would do for both
 */
export function intersectPolicies(a: Policy, b: Policy): Policy {
  const walls = a.walls.filter((wall) => b.walls.includes(wall));
  if (walls.length === 0) {
    throw new CaissonError('POLICY_INVALID', {
      layer: 'policy',
      message: `no wall is allowed by both ${a.name} (${a.walls.join(', ')}) and ${b.name} (${b.walls.join(', ')})`,
      hint: 'name a common wall under `walls` in one of them',
    });
  }
  const write = intersectPaths(a.write, b.write);
  const read = intersectPaths(effectiveRead(a), effectiveRead(b));
  const stricter = VIEWS[Math.min(VIEWS.indexOf(a.view), VIEWS.indexOf(b.view))] ?? 'named';
  // The system view would show again what one of the two has carved out of it whole.
  const shownAgain = SYSTEM_DIRECTORIES.some((path) => !containsPath(read, path));
  const view = stricter === 'system' && shownAgain ? 'named' : stricter;
  const scratch = intersectPaths(a.scratch, b.scratch);
  const used = [read, write, scratch].some((set) => touchesPath(set, WORKSPACE));
  return {
    ...common(a, b),
    level: higher(a, b),
    walls,
    view,
    read,
    write,
    scratch,
    protect: [...new Set([...a.protect, ...b.protect])].sort(),
    workspace: used ? mostCareful(a, b) : { mode: 'none', apply: 'manual' },
    network: intersectNetwork(a, b),
    environment: {
      pass: intersectNames(a.environment.pass, b.environment.pass),
      set: mergeSet(a, b),
    },
    syscalls: intersectSyscalls(a, b),
    capabilities: {
      base: 'none',
      add: effectiveCapabilities(a)
        .filter((name) => effectiveCapabilities(b).includes(name))
        .toSorted(),
      drop: [],
    },
    devices: a.devices.filter((device) => b.devices.includes(device)),
    sys: a.sys && b.sys,
    ...onViolationFor(higher(a, b), combineEndings('stricter', a, b)),
    limits: meetLimits(a.limits, b.limits),
  };
}

/** The least policy that allows what either allows. */
export function unionPolicies(a: Policy, b: Policy): Policy {
  const view = VIEWS[Math.max(VIEWS.indexOf(a.view), VIEWS.indexOf(b.view))] ?? 'host';
  return {
    ...common(a, b),
    level: lower(a, b),
    walls: [...new Set([...a.walls, ...b.walls])],
    view,
    read: withWritten(a, b, unionPaths(effectiveRead(a), effectiveRead(b))),
    write: unionPaths(a.write, b.write),
    scratch: unionPaths(a.scratch, b.scratch),
    protect: [
      ...a.protect.filter((pattern) => writesNothing(b) || coversProtected(b.protect, pattern)),
      ...b.protect.filter((pattern) => writesNothing(a) || coversProtected(a.protect, pattern)),
    ]
      .filter((pattern, i, all) => all.indexOf(pattern) === i)
      .sort(),
    workspace: leastCareful(a, b),
    network: unionNetwork(a, b),
    environment: {
      pass: unionNames(a.environment.pass, b.environment.pass),
      set: mergeSet(a, b),
    },
    syscalls: {
      preset: presetAt(
        Math.max(PRESETS.indexOf(a.syscalls.preset), PRESETS.indexOf(b.syscalls.preset)),
      ),
      allow: [...new Set([...a.syscalls.allow, ...b.syscalls.allow])].sort(),
      deny: a.syscalls.deny.filter((name) => b.syscalls.deny.includes(name)),
    },
    capabilities: {
      base: 'none',
      add: [...new Set([...effectiveCapabilities(a), ...effectiveCapabilities(b)])].sort(),
      drop: [],
    },
    devices: [...new Set([...a.devices, ...b.devices])].sort(),
    sys: a.sys || b.sys,
    ...onViolationFor(lower(a, b), combineEndings('weaker', a, b)),
    limits: joinLimits(a.limits, b.limits),
  };
}

function common(a: Policy, b: Policy): Pick<Policy, 'version' | 'name' | 'hostname'> {
  return {
    version: 1,
    name: a.name === b.name ? a.name : `${a.name} with ${b.name}`,
    hostname: a.hostname,
  };
}

function higher(a: Policy, b: Policy): Policy['level'] {
  return LEVEL_NAMES.indexOf(a.level) >= LEVEL_NAMES.indexOf(b.level) ? a.level : b.level;
}

function lower(a: Policy, b: Policy): Policy['level'] {
  return higher(a, b) === a.level ? b.level : a.level;
}

function writesNothing(policy: Policy): boolean {
  return !touchesPath(policy.write, WORKSPACE);
}

function care({ workspace }: Policy): number {
  if (workspace.mode === 'none') return 3;
  if (workspace.mode === 'staged') return workspace.apply === 'manual' ? 2.5 : 1.5;
  if (workspace.mode === 'overlay') return workspace.apply === 'manual' ? 2 : 1;
  return 0;
}

/** Only where both stage their workspace is writing apart from reading. */
function withWritten(a: Policy, b: Policy, read: Policy['read']): Policy['read'] {
  if (leastCareful(a, b).mode === 'staged') return read;
  return unionPaths(read, unionPaths(a.write, b.write));
}

function mostCareful(a: Policy, b: Policy): Policy['workspace'] {
  return care(a) >= care(b) ? a.workspace : b.workspace;
}

function leastCareful(a: Policy, b: Policy): Policy['workspace'] {
  return care(a) <= care(b) ? a.workspace : b.workspace;
}

/** Values are no permissions; where both set one, the first one's holds. */
function mergeSet(a: Policy, b: Policy): Policy['environment']['set'] {
  return [...new Map([...b.environment.set, ...a.environment.set])].sort(([x], [y]) =>
    x < y ? -1 : 1,
  );
}

function presetAt(index: number): Policy['syscalls']['preset'] {
  return PRESETS[index] ?? 'minimal';
}

/** Names that one policy adds to a preset which the other also holds cannot be told here: they are dropped. */
function intersectSyscalls(a: Policy, b: Policy): Policy['syscalls'] {
  const [x, y] = [a.syscalls, b.syscalls];
  return {
    preset: presetAt(Math.min(PRESETS.indexOf(x.preset), PRESETS.indexOf(y.preset))),
    allow: [...new Set([...x.allow, ...y.allow])]
      .filter(
        (name) =>
          (x.allow.includes(name) || x.preset === 'all') &&
          (y.allow.includes(name) || y.preset === 'all'),
      )
      .sort(),
    deny: [...new Set([...x.deny, ...y.deny])].sort(),
  };
}

function intersectNetwork(a: Policy, b: Policy): NetworkPolicy {
  const [x, y] = [a.network, b.network];
  const listen = x.listen.filter((port) => y.listen.includes(port));
  const deny = canonicalRules([...x.deny, ...y.deny]);
  if (x.mode === 'none' || y.mode === 'none') return { mode: 'none', allow: [], deny: [], listen };
  if (x.mode === y.mode && x.mode !== 'filtered') return { mode: x.mode, allow: [], deny, listen };
  if (x.mode === 'internal' || y.mode === 'internal') {
    // The unfiltered network holds the internal one; a filtered one does not.
    const both = x.mode === 'full' || y.mode === 'full';
    return { mode: both ? 'internal' : 'none', allow: [], deny: [], listen };
  }
  const allow = intersectRules(allowedRules(x), allowedRules(y));
  return { mode: 'filtered', allow, deny, listen };
}

function unionNetwork(a: Policy, b: Policy): NetworkPolicy {
  const [x, y] = [a.network, b.network];
  const listen = [...new Set([...x.listen, ...y.listen])].sort((p, q) => p - q);
  if (x.mode === 'none' || y.mode === 'none') {
    return { ...(x.mode === 'none' ? y : x), listen };
  }
  const allow = canonicalRules([...x.allow, ...y.allow]);
  // What one denies the other may allow, so only what both deny stays denied.
  const deny = intersectRules(x.deny, y.deny);
  if (x.mode === 'filtered' && y.mode === 'filtered')
    return { mode: 'filtered', allow, deny, listen };
  if (x.mode === 'internal' && y.mode === 'internal') return { ...x, listen };
  return {
    mode: 'full',
    allow: [],
    deny: x.mode === 'internal' || y.mode === 'internal' ? [] : deny,
    listen,
  };
}
